package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// with runs use with a server of the API and a client for it, on one loop.
func with(t *testing.T, use func(ctx context.Context, ask func(method, path, contentType string, body io.Reader) (int, string))) {
	t.Helper()
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		srv := &asynchttp.Server{Handler: newAPI().handler()}
		addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer srv.Close()
		tr := &asynchttp.Transport{}
		defer tr.Close()
		client := &http.Client{Transport: tr}
		use(ctx, func(method, path, contentType string, body io.Reader) (int, string) {
			t.Helper()
			req, err := http.NewRequestWithContext(ctx, method, "http://"+addr.String()+path, body)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", contentType)
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			p, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			return resp.StatusCode, strings.TrimSpace(string(p))
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestNotesAreMadeReadChangedAndRemoved(t *testing.T) {
	with(t, func(ctx context.Context, ask func(method, path, contentType string, body io.Reader) (int, string)) {
		for _, step := range []struct {
			method, path, body string
			status             int
			want               string
		}{
			{"POST", "/notes", `{"title":"milk","text":"two"}`, 201, `{"id":1,"title":"milk","text":"two"}`},
			{"GET", "/notes/1", "", 200, `{"id":1,"title":"milk","text":"two"}`},
			{"PUT", "/notes/1", `{"title":"bread"}`, 200, `{"id":1,"title":"bread"}`},
			{"POST", "/notes", `{"title":"tea"}`, 201, `{"id":2,"title":"tea"}`},
			{"GET", "/notes", "", 200, `{"id":1,"title":"bread"}` + "\n" + `{"id":2,"title":"tea"}`},
			{"DELETE", "/notes/1", "", 204, ""},
			{"GET", "/notes/1", "", 404, `{"error":"there is no such note"}`},
			{"PUT", "/notes/1", `{"title":"bread"}`, 404, `{"error":"there is no such note"}`},
			{"POST", "/notes", `{"text":"x"}`, 422, `{"error":"a note needs a title"}`},
			{"POST", "/notes", ``, 400, `{"error":"no note"}`},
			{"POST", "/notes", `{"title":1}`, 400, `{"error":"json: cannot unmarshal number into Go struct field note.title of type string"}`},
			{"POST", "/notes", `{"title":"` + strings.Repeat("x", maxBody) + `"}`, 413, `{"error":"more than 65536 bytes"}`},
			{"PATCH", "/notes/1", ``, 405, "Method Not Allowed"},
		} {
			status, got := ask(step.method, step.path, "application/json", strings.NewReader(step.body))
			if status != step.status || got != step.want {
				t.Errorf("%s %s: %d %s, want %d %s", step.method, step.path, status, got, step.status, step.want)
			}
		}
	})
}

func TestNotesAreImportedLineByLine(t *testing.T) {
	with(t, func(ctx context.Context, ask func(method, path, contentType string, body io.Reader) (int, string)) {
		var notes strings.Builder
		for i := range 1000 {
			fmt.Fprintf(&notes, "{\"title\":\"note %d\"}\n", i)
		}
		if status, got := ask("POST", "/notes/import", "application/x-ndjson", strings.NewReader(notes.String())); status != 200 || got != `{"imported":1000}` {
			t.Error(status, got)
		}
		if status, got := ask("POST", "/notes/import", "application/x-ndjson", strings.NewReader(`{"title":"a"} {"text":"b"}`)); status != 422 || got != `{"error":"note 2: a note needs a title"}` {
			t.Error(status, got)
		}
		if _, got := ask("GET", "/notes", "", nil); strings.Count(got, "\n") != 1000 {
			t.Errorf("%d notes are there", strings.Count(got, "\n")+1)
		}
	})
}

func TestFilesAreAttached(t *testing.T) {
	with(t, func(ctx context.Context, ask func(method, path, contentType string, body io.Reader) (int, string)) {
		form := func(size int) (string, io.Reader) {
			var b bytes.Buffer
			m := multipart.NewWriter(&b)
			w, err := m.CreateFormFile("file", "picture.png")
			if err != nil {
				t.Fatal(err)
			}
			w.Write(make([]byte, size))
			m.WriteField("comment", "no file")
			m.Close()
			return m.FormDataContentType(), &b
		}
		ask("POST", "/notes", "application/json", strings.NewReader(`{"title":"trip"}`))
		kind, body := form(300_000)
		if status, got := ask("POST", "/notes/1/files", kind, body); status != 200 || got != `{"id":1,"title":"trip","files":{"picture.png":300000}}` {
			t.Error(status, got)
		}
		kind, body = form(maxFile + 1)
		if status, _ := ask("POST", "/notes/1/files", kind, body); status != 413 {
			t.Error(status)
		}
		if status, _ := ask("POST", "/notes/1/files", "text/plain", strings.NewReader("x")); status != 415 {
			t.Error(status)
		}
	})
}
