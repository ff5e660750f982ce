package examples_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// The API has its own tests; this is the program around it.
func TestJSONAPIAnswersAndEndsWell(t *testing.T) {
	t.Parallel()
	s := serve(t, "jsonapi", "127.0.0.1:0")
	resp, err := http.Post("http://"+s.addr+"/notes", "application/json", strings.NewReader(`{"title":"milk"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if string(body) != `{"id":1,"title":"milk"}`+"\n" || resp.StatusCode != http.StatusCreated || err != nil {
		t.Errorf("%s %q, %v", resp.Status, body, err)
	}
	s.end(128 + 15)
}
