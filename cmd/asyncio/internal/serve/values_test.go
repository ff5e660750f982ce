package serve

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAcceptEncodingIsHonoured(t *testing.T) {
	for value, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "x-gzip": true, "deflate, gzip;q=0.5": true, "gzip;q=0": false,
		"gzip; q=0.000": false, "*": true, "*;q=0": false, "*, gzip;q=0": false, "br": false, "gzip;q=x": false, "identity;q=1, *;q=0": false,
	} {
		if got := acceptsGzip([]string{value}); got != want {
			t.Errorf("%q: %v", value, got)
		}
	}
}

func TestNamesStayBelowTheDirectory(t *testing.T) {
	plain, all := &site{}, &site{hidden: true}
	for path, want := range map[string]string{
		"/": ".", "": ".", "/a": "a", "/a/b/": filepath.Join("a", "b"), "/../a": "a", "/a/../../../b": "b", "//a": "a", "*": "*",
		"/.git/x": "", "/a/.b": "", "/a\x00b": "", "/..": ".", "/...": "",
	} {
		name, ok := plain.nameOf(path)
		if ok != (want != "") || ok && name != want {
			t.Errorf("%q: %q, %v", path, name, ok)
		}
	}
	if name, ok := all.nameOf("/.git/x"); !ok || name != filepath.Join(".git", "x") {
		t.Errorf("with hidden names: %q, %v", name, ok)
	}
}

func FuzzNamesAreLocal(f *testing.F) {
	f.Add("/../..//etc/passwd", true)
	f.Add("/a/./b/..", false)
	f.Fuzz(func(t *testing.T, path string, hidden bool) {
		name, ok := (&site{hidden: hidden}).nameOf(path)
		if ok && !filepath.IsLocal(name) {
			t.Errorf("%q is taken for %q", path, name)
		}
		if ok && !hidden && name != "." && (strings.HasPrefix(name, ".") || strings.Contains(name, string(filepath.Separator)+".")) {
			t.Errorf("%q is taken for the hidden %q", path, name)
		}
	})
}

func TestErrorsHaveAStatus(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	_, escape := root.Open("../x")
	for want, errs := range map[int][]error{
		http.StatusNotFound:            {fs.ErrNotExist, escape, errNotServed, syscall.ENOTDIR},
		http.StatusForbidden:           {&fs.PathError{Err: syscall.EACCES}},
		http.StatusServiceUnavailable:  {&fs.PathError{Err: syscall.EMFILE}},
		http.StatusInternalServerError: {&fs.PathError{Err: syscall.EIO}},
	} {
		for _, err := range errs {
			if got := statusOf(err); got != want {
				t.Errorf("%v: %d", err, got)
			}
		}
	}
}
