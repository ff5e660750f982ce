package serve

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/asyncio-go/asyncio"
)

// errIsDirectory is the error of an upload to the name of a directory.
var errIsDirectory = errors.New("there is a directory of that name")

// put takes a file. It gets its name when it is whole.
func (s *site) put(w http.ResponseWriter, r *http.Request) {
	name, ok := s.nameOf(r.URL.Path)
	switch {
	case !ok:
		s.refuse(w, http.StatusNotFound)
		return
	case name == "." || strings.HasSuffix(r.URL.Path, "/"):
		http.Error(w, errIsDirectory.Error(), http.StatusConflict)
		return
	case r.Header.Get("Content-Range") != "":
		http.Error(w, "a part of a file cannot be uploaded", http.StatusBadRequest)
		return
	case r.ContentLength > s.maxUpload:
		s.refuse(w, http.StatusRequestEntityTooLarge)
		return
	}
	u := &upload{root: s.root, name: name}
	replaced, err := u.take(r, s.maxUpload)
	var tooLarge *http.MaxBytesError
	var failed *readError
	switch {
	case err == nil && replaced:
		w.WriteHeader(http.StatusNoContent)
	case err == nil:
		w.WriteHeader(http.StatusCreated)
	case asyncio.IsCancelled(err) || r.Context().Err() != nil: // the client has gone
	case errors.As(err, &tooLarge):
		w.Header().Set("Connection", "close")
		s.refuse(w, http.StatusRequestEntityTooLarge)
	case errors.As(err, &failed):
		s.refuse(w, http.StatusBadRequest)
	case errors.Is(err, errIsDirectory):
		http.Error(w, errIsDirectory.Error(), http.StatusConflict)
	case statusOf(err) == http.StatusNotFound:
		http.Error(w, "there is no directory for it", http.StatusConflict)
	default:
		s.fail(w, err)
	}
}

// A readError is an error of the request's body.
type readError struct{ err error }

func (e *readError) Error() string { return e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

// An upload is a file that comes. All its methods but take run in threads; the
// lock keeps what is left of one job, after a cancellation, from the next.
type upload struct {
	root *os.Root
	name string

	mu   sync.Mutex // never held on a loop
	temp string     // the name that it has meanwhile; empty: there is none
	file *os.File
	over bool
}

// take reads the body of a request into the file, on the loop; the disk is
// written to in threads. It reports whether there was a file of that name.
func (u *upload) take(r *http.Request, limit int64) (replaced bool, err error) {
	ctx := r.Context()
	loop, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return false, err
	}
	job := func(f func() error) error {
		_, err := asyncio.ToThread(ctx, func(context.Context) (struct{}, error) { return struct{}{}, u.locked(f) })
		return err
	}
	defer func() {
		if err != nil { // the task may have been cancelled, so nobody waits for it
			asyncio.RunInExecutor(loop, nil, func(context.Context) (struct{}, error) { return struct{}{}, u.locked(u.drop) })
		}
	}()
	if err := job(u.begin); err != nil {
		return false, err
	}
	body := http.MaxBytesReader(nil, r.Body, limit)
	buf := make([]byte, pieceSize)
	for whole := false; !whole; {
		n := 0
		for n < len(buf) && !whole {
			k, err := body.Read(buf[n:])
			n += k
			if whole = err == io.EOF; err != nil && !whole {
				return false, &readError{err}
			}
		}
		if err := job(func() error { return u.write(buf[:n]) }); err != nil {
			return false, err
		}
	}
	err = job(func() (err error) {
		replaced, err = u.finish()
		return err
	})
	return replaced, err
}

// locked runs one job, unless the upload is over.
func (u *upload) locked(job func() error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.over {
		return fs.ErrClosed
	}
	return job()
}

// begin makes the file, under another name.
func (u *upload) begin() error {
	if info, err := u.root.Lstat(u.name); err == nil && info.IsDir() {
		return errIsDirectory
	}
	dir, base := filepath.Split(u.name)
	// A name may be as long as the system lets it be, and still have one beside it.
	if len(base) > 100 {
		base = base[:100]
	}
	temp := filepath.Join(dir, "."+base+"."+rand.Text()[:8]+".part")
	f, err := u.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	u.temp, u.file = temp, f
	return nil
}

func (u *upload) write(p []byte) error {
	_, err := u.file.Write(p)
	return err
}

// finish gives the file its name, and reports whether another one had it.
func (u *upload) finish() (replaced bool, err error) {
	err = u.file.Close()
	u.file = nil
	if err != nil {
		return false, err
	}
	info, err := u.root.Lstat(u.name)
	if replaced = err == nil; replaced && info.IsDir() {
		return false, errIsDirectory
	}
	if err := u.root.Rename(u.temp, u.name); err != nil {
		return false, err
	}
	u.over = true
	return replaced, nil
}

// drop removes what there is of the file.
func (u *upload) drop() error {
	u.over = true
	if u.file != nil {
		_ = u.file.Close() // it is removed
	}
	if u.temp == "" {
		return nil
	}
	return u.root.Remove(u.temp)
}
