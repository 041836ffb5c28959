// It uses the stub over HTTP alone: break a call, make it, look at what arrived.
// java Stub.java http://127.0.0.1:8080/api/v1

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.regex.Pattern;

public class Stub {
    static final HttpClient CLIENT = HttpClient.newHttpClient();

    static HttpResponse<byte[]> post(URI url, String json) throws Exception {
        var request = HttpRequest.newBuilder(url)
            .header("Content-Type", "application/json")
            .header("Authorization", "Bearer any-key")
            .POST(BodyPublishers.ofString(json))
            .build();
        return CLIENT.send(request, BodyHandlers.ofByteArray());
    }

    static HttpResponse<byte[]> speak(String api, String text) throws Exception {
        var json = "{\"input\": \"%s\", \"model\": \"any/model\", \"voice\": \"alloy\"}";
        return post(URI.create(api + "/audio/speech"), json.formatted(text));
    }

    public static void main(String[] arguments) throws Exception {
        var api = arguments[0];
        var control = URI.create(api).resolve("/_stub/");

        post(control.resolve("faults"), "{\"fault\": 429, \"retry_after\": 3, \"times\": 1}");

        var refused = speak(api, "Hello");
        var wait = refused.headers().firstValue("Retry-After").orElse("?");
        System.out.printf("refused: %d come back in %s s%n", refused.statusCode(), wait);

        var spoken = speak(api, "Hello again");
        System.out.printf("spoken: %d %d bytes%n", spoken.statusCode(), spoken.body().length);

        var seen = HttpRequest.newBuilder(control.resolve("requests")).build();
        var told = CLIENT.send(seen, BodyHandlers.ofString()).body();
        // A real program would read JSON with a library.
        var each = Pattern.compile(
            "\"method\":\"(\\w+)\",\"path\":\"([^\"]+)\".*?\"input\":\"([^\"]*)\".*?\"status\":(\\d+)");
        for (var found = each.matcher(told); found.find(); ) {
            System.out.println(String.join(
                " ", found.group(1), found.group(2), found.group(4), found.group(3)));
        }
    }
}
