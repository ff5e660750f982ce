package h2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

func TestHeadersOfAnAnswer(t *testing.T) {
	for name, x := range map[string]struct {
		h    http.HandlerFunc
		want []string
	}{
		"what is of HTTP/1's connections is left out": {func(w http.ResponseWriter, r *http.Request) {
			for _, k := range []string{"Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade", "A b", "Te"} {
				w.Header().Set(k, "x")
			}
			w.Header()["X-Bad"] = []string{"a\nb", "good"}
		}, []string{"HEADERS 1 end :status=200 x-bad=good content-length=0 date=now"}},
		"a date of the handler's": {func(w http.ResponseWriter, r *http.Request) { w.Header()["Date"] = nil },
			[]string{"HEADERS 1 end :status=200 content-length=0"}},
		"a short body": {func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "<html>") },
			[]string{"HEADERS 1 :status=200 content-type=text/html; charset=utf-8 content-length=6 date=now", `DATA 1 end "<html>"`}},
		"a type of the handler's": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "a/b")
			_, _ = io.WriteString(w, "x")
		}, []string{"HEADERS 1 :status=200 content-type=a/b content-length=1 date=now", `DATA 1 end "x"`}},
		"a body that is flushed": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "a")
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, "b")
		}, []string{"HEADERS 1 :status=200 content-type=text/plain; charset=utf-8 date=now", `DATA 1 "a"`, `DATA 1 end "b"`}},
		"a flush of nothing": {func(w http.ResponseWriter, r *http.Request) { _ = http.NewResponseController(w).Flush() },
			[]string{"HEADERS 1 :status=200 date=now", `DATA 1 end ""`}},
		"as much as is held back": {func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(make([]byte, holdBack)) },
			[]string{"HEADERS 1 :status=200 content-type=application/octet-stream content-length=4096 date=now", "DATA 1 end (4096)"}},
		"a byte more": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(make([]byte, holdBack))
			_, _ = w.Write(make([]byte, 1))
		}, []string{"HEADERS 1 :status=200 content-type=application/octet-stream date=now", "DATA 1 (4096)", `DATA 1 "\x00"`, `DATA 1 end ""`}},
		"a length that is kept to": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "2")
			for _, want := range []error{nil, nil, http.ErrContentLength} {
				if n, err := io.WriteString(w, "x"); err != want || n != 1 && err == nil || n != 0 && err != nil {
					t.Error(n, err)
				}
			}
		}, []string{"HEADERS 1 :status=200 content-type=text/plain; charset=utf-8 content-length=2 date=now", `DATA 1 end "xx"`}},
		"a length that is not kept to": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "2")
			_, _ = io.WriteString(w, "x")
		}, []string{"HEADERS 1 :status=200 content-type=text/plain; charset=utf-8 content-length=2 date=now", `DATA 1 "x"`, "RST_STREAM 1 INTERNAL_ERROR"}},
		"a length that is none": {func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Length", "x") },
			[]string{"HEADERS 1" + ok200}},
		"no body where none may be": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(204)
			if n, err := io.WriteString(w, "x"); n != 0 || err != http.ErrBodyNotAllowed {
				t.Error(n, err)
			}
			if n, err := io.WriteString(w, ""); n != 0 || err != nil {
				t.Error(n, err)
			}
		}, []string{"HEADERS 1 end :status=204 date=now"}},
		"a length of what has not changed": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "5")
			w.WriteHeader(304)
		}, []string{"HEADERS 1 end :status=304 content-length=5 date=now"}},
		"trailers": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "x-t, content-length ,x-none")
			w.Header().Set("X-T", "early")
			_, _ = io.WriteString(w, "x")
			w.Header().Set("X-T", "late")
			w.Header().Set(http.TrailerPrefix+"Content-Length", "9")
		}, []string{"HEADERS 1 :status=200 trailer=x-t, content-length ,x-none x-t=early content-type=text/plain; charset=utf-8 content-length=1 date=now", `DATA 1 "x"`, "HEADERS 1 end x-t=late"}},
		"trailers and no body": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			w.Header().Set(http.TrailerPrefix+"X-T", "1")
		}, []string{"HEADERS 1 :status=200 content-length=0 date=now", "HEADERS 1 end x-t=1"}},
		"1xx": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "a")
			w.Header().Set("Content-Length", "0")
			w.WriteHeader(103)
			w.WriteHeader(100)
			w.Header().Del("Link")
		}, []string{"HEADERS 1 :status=103 link=a", "HEADERS 1 :status=100 link=a", "HEADERS 1" + ok200}},
		"1xx after the answer": {func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).Flush()
			w.WriteHeader(103)
		}, []string{"HEADERS 1 :status=200 date=now", `DATA 1 end ""`}},
	} {
		t.Run(name, func(t *testing.T) {
			onServer(t, &Server{Handler: x.h}, func(r *rig) {
				r.loop.SetExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) { r.seen = append(r.seen, "told") })
				r.get(1)
				r.send()
				got := strings.Split(r.take(), "\n")
				for i := range got { // the order of a map
					if f := strings.Fields(got[i]); strings.Contains(got[i], "x-t=early trailer") {
						got[i] = strings.Join(f, " ")
						got[i] = strings.Replace(got[i], "x-t=early trailer=x-t, content-length ,x-none", "trailer=x-t, content-length ,x-none x-t=early", 1)
					}
				}
				if strings.Join(got, "\n") != strings.Join(x.want, "\n") {
					t.Errorf("it sent\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(x.want, "\n"))
				}
				if told := name == "1xx after the answer"; told != (len(r.seen) > 0) {
					t.Error("the exception handler was told:", r.seen)
				}
			})
		})
	}
}

func TestAHeadRequestHasTheHeaderAlone(t *testing.T) {
	for want, h := range map[string]http.HandlerFunc{
		"HEADERS 1 end :status=200 date=now": func(w http.ResponseWriter, r *http.Request) {},
		"HEADERS 1 end :status=200 content-type=text/html; charset=utf-8 content-length=7 date=now": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "<html>")
			fmt.Fprint(w, "x")
		},
		"HEADERS 1 end :status=200 content-type=application/octet-stream content-length=100000 date=now": func(w http.ResponseWriter, r *http.Request) {
			if n, err := w.Write(make([]byte, 100000)); n != 100000 || err != nil {
				t.Error(n, err)
			}
		},
		"HEADERS 1 end :status=200 content-length=5 date=now": func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Length", "5") },
		"HEADERS 1 end :status=200 content-type=text/plain; charset=utf-8 date=now": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "x")
			_ = http.NewResponseController(w).Flush()
			fmt.Fprint(w, "y")
		},
	} {
		onServer(t, &Server{Handler: h}, func(r *rig) {
			r.headers(1, true, requestOf("HEAD", nil)...)
			r.send()
			r.wants(want)
		})
	}
}

func TestAHandlersMistakesAreItsOwn(t *testing.T) {
	var writer http.ResponseWriter
	var request *http.Request
	srv := &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writer, request = w, r
		for _, status := range []int{0, 99, 1000} {
			func() {
				defer func() {
					if recover() == nil {
						t.Error("WriteHeader takes", status)
					}
				}()
				w.WriteHeader(status)
			}()
		}
		w.WriteHeader(999)
		w.WriteHeader(200)
		_, err := asyncio.ToThread(r.Context(), func(context.Context) (int, error) {
			_, err := w.Write([]byte("x"))
			_, rerr := r.Body.Read(make([]byte, 1))
			return 0, errors.Join(err, rerr)
		})
		if !errors.Is(err, asyncio.ErrWrongGoroutine) || strings.Count(err.Error(), "\n") != 1 {
			t.Error("from another goroutine:", err)
		}
	})}
	onServer(t, srv, func(r *rig) {
		told := 0
		r.loop.SetExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
			told++
			if !strings.Contains(c.Message, "superfluous WriteHeader of an HTTP handler: POST /") {
				t.Error(c.Message)
			}
		})
		r.post(1)
		r.send()
		for len(r.w.out.Bytes()) == 0 {
			_ = asyncio.Sleep(r.ctx, time.Millisecond)
		}
		r.wants("HEADERS 1 end :status=999 content-length=0 date=now", "RST_STREAM 1 NO_ERROR")
		if told != 1 {
			t.Errorf("told %d times", told)
		}
		rc := http.NewResponseController(writer)
		_, werr := writer.Write([]byte("late"))
		_, rerr := request.Body.Read(make([]byte, 1))
		for what, err := range map[string]error{"Write": werr, "Read": rerr, "Flush": rc.Flush(),
			"SetReadDeadline": rc.SetReadDeadline(time.Time{}), "SetWriteDeadline": rc.SetWriteDeadline(time.Time{})} {
			if !errors.Is(err, errHandlerDone) {
				t.Errorf("%s after the handler: %v", what, err)
			}
		}
		writer.WriteHeader(200)
		if rc.EnableFullDuplex() != nil {
			t.Error("a handler may not read while it writes")
		}
		r.wants()
	})
}
