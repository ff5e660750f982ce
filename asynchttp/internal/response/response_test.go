package response

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/asyncio-go/asyncio"
)

// A recorder is a carrier that notes what it is told.
type recorder struct {
	w      *Writer
	events []string
	err    error    // of Send
	file   *os.File // that was to be sent last
}

func (c *recorder) note(format string, args ...any) {
	c.events = append(c.events, fmt.Sprintf(format, args...))
}

func (c *recorder) Informational(status int, h http.Header) error {
	c.note("inform %d", status)
	return c.err
}

func (c *recorder) Freeze(status int, h http.Header) {
	var names []string
	for k, vs := range h {
		if c.w.KeepField(k, vs) {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	c.note("freeze %d %v", status, names)
}

func (c *recorder) Open(contentType string) { c.note("open %q %d", contentType, c.w.Length) }

func (c *recorder) Send(held, p []byte, last bool) error {
	c.note("send %d+%d %v", len(held), len(p), last)
	if last {
		if h := c.w.ResponseTrailers(); h != nil {
			c.note("trailers %v", h)
		}
	}
	return c.err
}

func (c *recorder) SendFile(held []byte, f *os.File, offset, n int64) (int64, error) {
	c.note("file %d+%d from %d", len(held), n, offset)
	c.file = f
	if _, err := f.Stat(); err != nil {
		c.note("%v", err)
	}
	return n, c.err
}

// respond runs a handler, and returns what its carrier was told and how it ended.
func respond(t *testing.T, method string, framed bool, carrier *recorder, h func(w *Writer)) (events []string, end error) {
	t.Helper()
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, method, "/", nil)
		if err != nil {
			return err
		}
		task := asyncio.CurrentTask(ctx)
		w := &Writer{Framed: framed}
		carrier.w = w
		w.InitResponse(NewShared(task.Loop()), task, req, carrier)
		h(w)
		w.Done = true
		end = w.FinishResponse()
		w.RecycleResponse()
		return nil
	}, asyncio.WithExceptionHandler(func(*asyncio.Loop, asyncio.ExceptionContext) { carrier.note("reported") }))
	if err != nil {
		t.Fatal(err)
	}
	return carrier.events, end
}

func TestTheRulesOfAResponse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(strings.Repeat("text ", 2000)), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	big := strings.Repeat("x", holdBack+1)
	const text = "text/plain; charset=utf-8"
	for name, test := range map[string]struct {
		method string
		framed bool
		h      func(w *Writer)
		want   []string
		end    error
	}{
		"nothing": {"GET", false, func(w *Writer) {},
			[]string{"freeze 200 []", `open "" 0`, "send 0+0 true"}, nil},
		"a little is measured and sniffed": {"GET", false, func(w *Writer) { w.WriteString("he"); w.WriteString("llo") },
			[]string{"freeze 200 []", `open "` + text + `" 5`, "send 5+0 true"}, nil},
		"much is not measured": {"GET", false, func(w *Writer) { w.WriteString("a"); w.WriteString(big) },
			[]string{"freeze 200 []", `open "` + text + `" -1`, "send 1+4097 false", "send 0+0 true"}, nil},
		"a flush ends the measuring": {"GET", false, func(w *Writer) { w.WriteString("a"); w.Flush(); w.WriteString("b") },
			[]string{"freeze 200 []", `open "` + text + `" -1`, "send 1+0 false", "send 1+0 true"}, nil},
		"HEAD has no body": {"HEAD", false, func(w *Writer) { w.WriteString("hello") },
			[]string{"freeze 200 []", `open "` + text + `" 5`, "send 0+0 true"}, nil},
		"HEAD of nothing has no length": {"HEAD", false, func(w *Writer) {},
			[]string{"freeze 200 []", `open "" -1`, "send 0+0 true"}, nil},
		"204 has no body": {"GET", false, func(w *Writer) {
			w.WriteHeader(204)
			if _, err := w.WriteString("x"); err != http.ErrBodyNotAllowed {
				t.Error(err)
			}
		}, []string{"freeze 204 []", `open "" -1`, "send 0+0 true"}, nil},
		"304 keeps its length": {"GET", true, func(w *Writer) { w.Header().Set("Content-Length", "7"); w.WriteHeader(304) },
			[]string{"freeze 304 []", `open "" 7`, "send 0+0 true"}, nil},
		"304 of HTTP/1 has no type": {"GET", false, func(w *Writer) { w.Header().Set("Content-Type", "a/b"); w.WriteHeader(304) },
			[]string{"freeze 304 []", `open "" -1`, "send 0+0 true"}, nil},
		"the header freezes": {"GET", false, func(w *Writer) {
			w.Header().Set("A", "1")
			w.WriteHeader(404)
			w.Header().Set("B", "2")
		}, []string{"freeze 404 [A]", `open "" 0`, "send 0+0 true"}, nil},
		"a second WriteHeader is reported": {"GET", false, func(w *Writer) { w.WriteHeader(404); w.WriteHeader(200) },
			[]string{"freeze 404 []", "reported", `open "" 0`, "send 0+0 true"}, nil},
		"1xx comes before": {"GET", false, func(w *Writer) { w.WriteHeader(103); w.WriteHeader(103) },
			[]string{"inform 103", "inform 103", "freeze 200 []", `open "" 0`, "send 0+0 true"}, nil},
		"more than was announced": {"GET", false, func(w *Writer) {
			w.Header().Set("Content-Length", "2")
			if _, err := w.WriteString("abc"); err != http.ErrContentLength {
				t.Error(err)
			}
			w.WriteString("ab")
		}, []string{"freeze 200 []", `open "` + text + `" 2`, "send 2+0 true"}, nil},
		"less than was announced": {"GET", false, func(w *Writer) { w.Header().Set("Content-Length", "9"); w.WriteString("ab") },
			[]string{"freeze 200 []", `open "` + text + `" 9`, "send 2+0 false"}, io.ErrShortWrite},
		"trailers": {"GET", false, func(w *Writer) {
			w.Header().Set("Trailer", "A, Content-Length")
			w.WriteString("x")
			w.Header().Set("A", "1")
			w.Header().Set(http.TrailerPrefix+"B", "2")
		}, []string{"freeze 200 [Trailer]", `open "` + text + `" -1`, "send 1+0 true", "trailers map[A:[1] B:[2]]"}, nil},
		"trailers beside a length, in frames": {"GET", true, func(w *Writer) {
			w.Header().Set("Trailer", "A")
			w.WriteString("x")
			w.Header().Set("A", "1")
		}, []string{"freeze 200 [Trailer]", `open "` + text + `" 1`, "send 1+0 true", "trailers map[A:[1]]"}, nil},
		"Transfer-Encoding is the handler's with HTTP/1": {"GET", false, func(w *Writer) { w.Header().Set("Transfer-Encoding", "identity"); w.WriteString("x") },
			[]string{"freeze 200 []", `open "" -1`, "send 1+0 true"}, nil},
		"chunks are not the handler's": {"GET", false, func(w *Writer) {
			w.Header().Set("Transfer-Encoding", "chunked")
			w.WriteString("x")
			if w.Has.Identity || !w.Has.Transfer {
				t.Errorf("it has %+v", w.Has)
			}
		}, []string{"freeze 200 []", `open "" -1`, "send 1+0 true"}, nil},
		"Transfer-Encoding means nothing in frames": {"GET", true, func(w *Writer) { w.Header().Set("Transfer-Encoding", "chunked"); w.WriteString("x") },
			[]string{"freeze 200 []", `open "` + text + `" 1`, "send 1+0 true"}, nil},
		"a packed body is not sniffed": {"GET", false, func(w *Writer) { w.Header().Set("Content-Encoding", "gzip"); w.WriteString("x") },
			[]string{"freeze 200 [Content-Encoding]", `open "" 1`, "send 1+0 true"}, nil},
		"a file": {"GET", false, func(w *Writer) { f.Seek(10, io.SeekStart); w.WriteString("x"); io.Copy(w, f) },
			[]string{"freeze 200 []", `open "` + text + `" -1`, "file 1+9990 from 10", "send 0+0 true"}, nil},
		"a part of a file": {"GET", false, func(w *Writer) {
			f.Seek(0, io.SeekStart)
			io.CopyN(w, f, 5000)
			if at, _ := f.Seek(0, io.SeekCurrent); at != 5000 {
				t.Errorf("the file stands at %d", at)
			}
		}, []string{"freeze 200 []", `open "` + text + `" -1`, "file 0+5000 from 0", "send 0+0 true"}, nil},
		"a section of a file": {"GET", false, func(w *Writer) {
			s := io.NewSectionReader(f, 20, 7000)
			s.Seek(100, io.SeekStart)
			if n, err := io.Copy(w, s); n != 6900 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
			if at, _ := s.Seek(0, io.SeekCurrent); at != 7000 {
				t.Errorf("the section stands at %d", at)
			}
		}, []string{"freeze 200 []", `open "` + text + `" -1`, "file 0+6900 from 120", "send 0+0 true"}, nil},
		"a part of a section of a file, beyond its end": {"GET", false, func(w *Writer) {
			s := io.NewSectionReader(f, 0, 1<<40)
			if n, err := io.CopyN(w, s, 1<<30); n != 10000 || err != io.EOF {
				t.Errorf("%d, %v", n, err)
			}
		}, []string{"freeze 200 []", `open "` + text + `" -1`, "file 0+10000 from 0", "send 0+0 true"}, nil},
		"a section of no file": {"GET", false, func(w *Writer) { io.Copy(w, io.NewSectionReader(strings.NewReader(big), 1, 5000)) },
			[]string{"freeze 200 []", `open "` + text + `" 4096`, "send 4096+0 true"}, nil},
		"a trailer that is declared, and frames do not have": {"GET", true, func(w *Writer) {
			w.Header().Set("Trailer", "Host, A")
			w.WriteString("x")
			w.Header().Set("Host", "1")
			w.Header().Set("A", "2")
		}, []string{"freeze 200 [Trailer]", `open "` + text + `" 1`, "send 1+0 true", "trailers map[A:[2]]"}, nil},
		"a trailer that is declared": {"GET", false, func(w *Writer) {
			w.Header().Set("Trailer", "Host, Content-Length, A")
			w.WriteString("x")
			w.Header().Set("Host", "1")
			w.Header().Set("A", "2")
		}, []string{"freeze 200 [Trailer]", `open "` + text + `" -1`, "send 1+0 true", "trailers map[A:[2] Host:[1]]"}, nil},
		"trailers that frames do not have": {"GET", true, func(w *Writer) {
			w.WriteString("x")
			w.Header().Set(http.TrailerPrefix+"Host", "1")
		}, []string{"freeze 200 []", `open "` + text + `" 1`, "send 1+0 true"}, nil},
		"trailers of HTTP/1": {"GET", false, func(w *Writer) {
			w.Header().Set(http.TrailerPrefix+"Host", "1")
			w.WriteString("x")
		}, []string{"freeze 200 []", `open "` + text + `" -1`, "send 1+0 true", "trailers map[Host:[1]]"}, nil},
		"HEAD whose header is on its way": {"HEAD", false, func(w *Writer) {
			w.Flush()
			if n, err := w.WriteString("hello"); n != 5 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		}, []string{"freeze 200 []", `open "" -1`, "send 0+0 false", "send 0+0 true"}, nil},
		"a source that fails": {"GET", false, func(w *Writer) {
			if n, err := w.ReadFrom(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(io.ErrNoProgress))); n != 3 || err != io.ErrNoProgress {
				t.Errorf("%d, %v", n, err)
			}
		}, []string{"freeze 200 []", `open "` + text + `" 3`, "send 3+0 true"}, nil},
		"a file that cannot be read": {"GET", false, func(w *Writer) {
			f, err := os.OpenFile(file, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			w.Header().Set("Content-Length", "10001")
			if n, err := w.ReadFrom(io.NewSectionReader(f, 0, 10000)); n != 0 || err == nil {
				t.Errorf("%d, %v", n, err)
			}
			if n, err := w.WriteString(strings.Repeat("x", 4000)); n != 4000 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		}, []string{"freeze 200 []", `open "` + text + `" 10001`, "send 4000+0 false"}, io.ErrShortWrite},
		"a short file is copied": {"GET", false, func(w *Writer) { f.Seek(9900, io.SeekStart); io.Copy(w, f) },
			[]string{"freeze 200 []", `open "` + text + `" 100`, "send 100+0 true"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, end := respond(t, test.method, test.framed, &recorder{}, test.h)
			if !slices.Equal(got, test.want) || !errors.Is(end, test.end) {
				t.Errorf("\n got  %q, %v\n want %q, %v", got, end, test.want, test.end)
			}
		})
	}
}

// A file that came in disguise is opened once more, and closed when it is sent.
func TestAFileInDisguiseIsLetGoOf(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, make([]byte, 10000), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for what, src := range map[string]io.Reader{"itself": f, "disguised": struct {
		io.ReadSeeker
		namedFile
	}{f, f}} {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		carrier := &recorder{}
		events, _ := respond(t, "GET", false, carrier, func(w *Writer) {
			if n, err := w.ReadFrom(src); n != 10000 || err != nil {
				t.Errorf("%s: %d, %v", what, n, err)
			}
		})
		if carrier.file == nil && runtime.GOOS == "windows" {
			continue // where it cannot be opened once more, and is copied
		}
		if carrier.file == nil {
			t.Fatalf("%s: it was copied: %q", what, events)
		}
		own := what == "itself"
		if own != (carrier.file == f) {
			t.Errorf("%s: %v was sent", what, carrier.file)
		}
		if _, err := carrier.file.Stat(); own == errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: closed: %v", what, err)
		}
		if _, err := f.Stat(); err != nil {
			t.Errorf("%s: the file itself: %v", what, err)
		}
	}
}

// A namedFile is what net/http and io make of a file.
type namedFile interface {
	Stat() (os.FileInfo, error)
	Name() string
	SyscallConn() (syscall.RawConn, error)
}

// After an error of the carrier nothing more is sent, and every call returns it.
func TestAnErrorOfTheCarrierIsTheLast(t *testing.T) {
	broken := errors.New("broken")
	got, end := respond(t, "GET", false, &recorder{err: broken}, func(w *Writer) {
		w.WriteString("x")
		if err := w.FlushError(); err != broken {
			t.Error("Flush returned", err)
		}
		if _, err := w.WriteString("y"); err != broken {
			t.Error("Write returned", err)
		}
	})
	if end != broken || len(got) != 3 {
		t.Errorf("%q, %v", got, end)
	}
}

func TestAnErrorOfAnInformationalResponseIsTheLast(t *testing.T) {
	broken := errors.New("broken")
	got, end := respond(t, "GET", false, &recorder{err: broken}, func(w *Writer) {
		w.WriteHeader(103)
		if err := w.FlushError(); err != broken {
			t.Error("Flush returned", err)
		}
	})
	if end != broken || len(got) != 1 {
		t.Errorf("%q, %v", got, end)
	}
}

func TestAStatusThatIsNoneIsAMistakeOfTheProgram(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("it was taken")
		}
	}()
	new(Writer).WriteHeader(99)
}
