package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/asyncio-go/asyncio"
)

// A site is a directory that is served. All loops share it; nothing in it
// changes.
type site struct {
	root      *os.Root
	cached    *cachedFiles // nil: every file is looked for in a thread
	hidden    bool
	upload    bool
	maxUpload int64
	errs      io.Writer
}

// ServeHTTP implements [http.Handler], on a loop.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		s.get(w, r)
	case r.Method == http.MethodPut && s.upload:
		s.put(w, r)
	default:
		allow := "GET, HEAD"
		if s.upload {
			allow += ", PUT"
		}
		w.Header().Set("Allow", allow)
		skip(r)
		s.refuse(w, http.StatusMethodNotAllowed)
	}
}

// skip reads a little of a body that nobody wants. A client that looks for the
// answer only after it has sent it all gets it so, and one that sends another
// length than it has announced is told.
func skip(r *http.Request) {
	if r.Body == nil || r.Header.Get("Expect") != "" {
		return
	}
	_ = asyncio.Timeout(r.Context(), skipTime, func(context.Context) error {
		_, err := io.CopyN(io.Discard, r.Body, skipBytes)
		return err
	}) // what is wrong with the body is the server's to say
}

func (s *site) refuse(w http.ResponseWriter, status int) {
	http.Error(w, fmt.Sprintf("%d %s", status, http.StatusText(status)), status)
}

// fail answers with the status that an error of the file system stands for.
func (s *site) fail(w http.ResponseWriter, err error) {
	status := statusOf(err)
	if status >= 500 {
		fmt.Fprintf(s.errs, "asyncio: serve: %v\n", err)
	}
	s.refuse(w, status)
}

// errNotServed is the error of what is neither a regular file nor a directory.
var errNotServed = errors.New("it is no regular file")

// statusOf returns the status for an error of the file system. What is no error
// of the system's is a refusal of os.Root, to leave the directory.
func statusOf(err error) int {
	var system syscall.Errno
	switch {
	case errors.Is(err, fs.ErrPermission):
		return http.StatusForbidden
	case errors.Is(err, fs.ErrNotExist), !errors.As(err, &system):
		return http.StatusNotFound
	case system == syscall.ENOTDIR, system == syscall.ELOOP, system == syscall.ENAMETOOLONG, system == syscall.EINVAL:
		return http.StatusNotFound
	case system == syscall.EMFILE, system == syscall.ENFILE:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// nameOf returns the name below the directory that the path of a URL stands for,
// "." for the directory itself, and reports whether it may be served.
func (s *site) nameOf(urlPath string) (name string, ok bool) {
	clean := path.Clean("/" + urlPath)[1:]
	if clean == "" {
		return ".", true
	}
	if !s.hidden {
		for element := range strings.SplitSeq(clean, "/") {
			if strings.HasPrefix(element, ".") {
				return "", false
			}
		}
	}
	name, err := filepath.Localize(clean)
	return name, err == nil
}

// get answers GET and HEAD.
func (s *site) get(w http.ResponseWriter, r *http.Request) {
	name, ok := s.nameOf(r.URL.Path)
	if !ok {
		s.refuse(w, http.StatusNotFound)
		return
	}
	q := query{name: name, slash: name == "." || strings.HasSuffix(r.URL.Path, "/"), path: path.Clean("/" + r.URL.Path)}
	// A part of the packed form would be of no use to anybody.
	q.zip = r.Header.Get("Range") == "" && acceptsGzip(r.Header.Values("Accept-Encoding"))
	var err error
	d := s.lookNow(q)
	if d == nil {
		d, err = s.find(r.Context(), q)
	}
	switch {
	case asyncio.IsCancelled(err) || r.Context().Err() != nil && err != nil:
		return // the client has gone
	case err != nil:
		s.fail(w, err)
		return
	}
	defer d.close()
	if d.redirect != "" {
		to := d.redirect
		if r.URL.RawQuery != "" {
			to += "?" + r.URL.RawQuery
		}
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusMovedPermanently)
		return
	}
	d.send(w, r)
}

// A handover keeps what a job in another thread makes from being lost when
// nobody waits for it any more.
type handover struct {
	state atomic.Int32
	doc   *document
}

const (
	handedOver = iota + 1
	abandoned
)

// find makes the document that answers a query, in one job of the executor.
func (s *site) find(ctx context.Context, q query) (*document, error) {
	h := &handover{}
	d, err := asyncio.ToThread(ctx, func(context.Context) (*document, error) {
		d, err := s.look(q)
		if err != nil {
			return nil, err
		}
		h.doc = d
		if !h.state.CompareAndSwap(0, handedOver) {
			d.close()
		}
		return d, nil
	})
	if err != nil && !h.state.CompareAndSwap(0, abandoned) {
		h.doc.close()
	}
	return d, err
}

// relative returns the reference to a name beside the document.
func relative(name string) string {
	return (&url.URL{Path: name}).String() // which guards names with a colon
}
