// It uses the stub over HTTP alone: break a call, make it, look at what arrived.
// go run stub.go http://127.0.0.1:8080/api/v1
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
)

func post(address string, value any) (*http.Response, []byte) {
	body, err := json.Marshal(value)
	if err != nil {
		log.Fatal(err)
	}
	request, err := http.NewRequest("POST", address, bytes.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer any-key")
	return send(request)
}

func send(request *http.Request) (*http.Response, []byte) {
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		log.Fatal(err)
	}
	return answer, content
}

func main() {
	api := os.Args[1]
	base, err := url.Parse(api)
	if err != nil {
		log.Fatal(err)
	}
	control := base.Scheme + "://" + base.Host + "/_stub"
	speak := func(text string) (*http.Response, []byte) {
		return post(api+"/audio/speech", map[string]string{
			"input": text, "model": "any/model", "voice": "alloy",
		})
	}

	post(control+"/faults", map[string]any{"fault": 429, "retry_after": 3, "times": 1})

	refused, _ := speak("Hello")
	fmt.Println("refused:", refused.StatusCode, "come back in", refused.Header.Get("Retry-After"), "s")

	spoken, audio := speak("Hello again")
	fmt.Println("spoken:", spoken.StatusCode, len(audio), "bytes")

	request, err := http.NewRequest("GET", control+"/requests", nil)
	if err != nil {
		log.Fatal(err)
	}
	_, told := send(request)
	var seen struct {
		Requests []struct {
			Method string
			Path   string
			Status int
			Body   struct{ Input string }
		}
	}
	if err := json.Unmarshal(told, &seen); err != nil {
		log.Fatal(err)
	}
	for _, each := range seen.Requests {
		fmt.Println(each.Method, each.Path, each.Status, each.Body.Input)
	}
}
