# It uses the stub over HTTP alone: break a call, make it, look at what arrived.
# ruby stub.rb http://127.0.0.1:8080/api/v1

require "json"
require "net/http"

API = ARGV.fetch(0)
CONTROL = URI.join(API, "/_stub/")

def post(url, value)
  headers = { "Content-Type" => "application/json", "Authorization" => "Bearer any-key" }
  Net::HTTP.post(URI(url), JSON.generate(value), headers)
end

def speak(text)
  post("#{API}/audio/speech", { input: text, model: "any/model", voice: "alloy" })
end

post(URI.join(CONTROL, "faults"), { fault: 429, retry_after: 3, times: 1 })

refused = speak("Hello")
puts "refused: #{refused.code} come back in #{refused["Retry-After"]} s"

spoken = speak("Hello again")
puts "spoken: #{spoken.code} #{spoken.body.bytesize} bytes"

seen = JSON.parse(Net::HTTP.get(URI.join(CONTROL, "requests")))
seen["requests"].each do |request|
  puts "#{request["method"]} #{request["path"]} #{request["status"]} #{request["body"]["input"]}"
end
