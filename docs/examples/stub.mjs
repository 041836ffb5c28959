// It uses the stub over HTTP alone: break a call, make it, look at what arrived.
// node stub.mjs http://127.0.0.1:8080/api/v1

const api = process.argv[2];
const control = new URL("/_stub/", api);

const post = (url, body, headers = {}) =>
  fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(body),
  });

const speak = (text) =>
  post(
    `${api}/audio/speech`,
    { input: text, model: "any/model", voice: "alloy" },
    { Authorization: "Bearer any-key" },
  );

await post(new URL("faults", control), { fault: 429, retry_after: 3, times: 1 });

const refused = await speak("Hello");
console.log("refused:", refused.status, "come back in", refused.headers.get("retry-after"), "s");

const spoken = await speak("Hello again");
const audio = await spoken.arrayBuffer();
console.log("spoken:", spoken.status, audio.byteLength, "bytes");

const { requests } = await (await fetch(new URL("requests", control))).json();
for (const request of requests) {
  console.log(request.method, request.path, request.status, request.body.input);
}
