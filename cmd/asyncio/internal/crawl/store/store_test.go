package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/store"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/urls"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func parse(t testing.TB, s string) urls.URL {
	t.Helper()
	u, err := urls.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestNames(t *testing.T) {
	for _, c := range []struct {
		url  string
		kind store.Kind
		want string
	}{
		{"https://h/", store.HTML, "h/index.html"},
		{"https://h/index.html", store.HTML, "h/index.html_.html"},
		{"https://h/a/b.html", store.HTML, "h/a/b.html"},
		{"https://h/a/b", store.HTML, "h/a/b_.html"},
		{"https://h/a/b_.html", store.HTML, "h/a/b_.html_.html"},
		{"https://h/a/b.php?x=1&y=/", store.HTML, "h/a/b.php%3fx=1&y=%2f_.html"},
		{"https://h/a.html", store.Other, "h/a.html_.data"},
		{"https://h/a.html", store.HTMLNoFollow, "h/a.html_.nofollow.html"},
		{"https://h/s.css", store.CSS, "h/s.css"},
		{"https://h/s", store.CSS, "h/s_.css"},
		{"https://h/v1.2/a.png", store.Other, "h/v1.2_/a.png"},
		{"https://h/a", store.Other, "h/a_.data"},
		{"http://h/a.png", store.Other, "h+http/a.png"},
		{"http://h:8080/a.png", store.Other, "h+http+8080/a.png"},
		{"https://[::1]:8443/a.png", store.Other, "[%3a%3a1]+8443/a.png"},
		{"https://h//a.png", store.Other, "h/%/a.png"},
		{"https://h/con/nul.png", store.Other, "h/con%~/nul.png%~"},
		{"https://h/...", store.Other, "h/%2e.%2e"},
	} {
		if got := store.Name(parse(t, c.url), c.kind); got != c.want {
			t.Errorf("%s: %s, want %s", c.url, got, c.want)
		}
	}
	if got := store.Name(parse(t, "https://h/"+strings.Repeat("x", 1000)+".png"), store.Other); len(got) > 245 || !strings.HasSuffix(got, ".png") {
		t.Errorf("a long name is %s", got)
	}
}

// TestNamesAreNeverTheSame takes URLs of few letters, so that what could be the
// same often is.
func TestNamesAreNeverTheSame(t *testing.T) {
	type what struct {
		url  string
		kind store.Kind
	}
	rapid.Check(t, func(t *rapid.T) {
		owners, dirs := map[string]what{}, map[string]string{}
		path := rapid.StringMatching(`(/|[ab_]|\.|_\.|index|\.html|\.htm|\.css|\.data|\.nofollow|\?|%7e|con){0,6}`)
		for range rapid.IntRange(2, 30).Draw(t, "n") {
			u, err := urls.Parse(rapid.SampledFrom([]string{"http://h/", "https://h/", "http://h:81/", "https://h.i/"}).Draw(t, "host") + path.Draw(t, "path"))
			if err != nil {
				continue
			}
			for k := range store.Kind(4) {
				name := store.Name(u, k)
				me := what{u.String(), k}
				if other, ok := owners[name]; ok && other != me {
					t.Fatalf("%s is the name of %+v and %+v", name, other, me)
				}
				owners[name] = me
				for dir := name; strings.Contains(dir, "/"); {
					dir = dir[:strings.LastIndexByte(dir, '/')]
					dirs[dir] = me.url
				}
				for part := range strings.SplitSeq(name, "/") {
					if part == "" || part == "." || part == ".." || len(part) > 255 || strings.HasSuffix(part, ".") || strings.ContainsAny(part, `:*?"<>|\`) {
						t.Fatalf("%s has the part %q", name, part)
					}
				}
			}
		}
		for name, me := range owners {
			if dir, ok := dirs[name]; ok {
				t.Fatalf("%s is a file of %+v and a directory of %s", name, me, dir)
			}
		}
	})
}

func TestSavingAndFinding(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	s, err := store.Open(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	u := parse(t, "https://h/a/b")
	if _, _, ok := s.Find(u); ok {
		t.Error("there is a file of nothing")
	}
	name := store.Name(u, store.HTMLNoFollow)
	for _, body := range []string{"old", "new"} {
		if err := s.Save(name, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	if found, k, ok := s.Find(u); !ok || found != name || k != store.HTMLNoFollow {
		t.Errorf("%q, %v, %v", found, k, ok)
	}
	if b, err := s.Read(name); err != nil || string(b) != "new" {
		t.Errorf("%q, %v", b, err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "h")); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(name, nil); err != nil {
		t.Error("the directory is not made again:", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) != 0 {
		t.Errorf("%q is left", left)
	}
}

func TestALinkIsNotFollowedOut(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "h")); err != nil {
		t.Skip("no links here:", err)
	}
	s, err := store.Open(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Save("h/a.html", []byte("x")); err == nil {
		t.Error("it was saved")
	}
	if left, _ := filepath.Glob(filepath.Join(outside, "*")); len(left) != 0 {
		t.Errorf("%q is outside", left)
	}
}

func BenchmarkSave(b *testing.B) {
	s, err := store.Open(b.TempDir(), false)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	body := []byte(strings.Repeat("x", 2000))
	n := 0
	for b.Loop() {
		n++
		if err := s.Save(fmt.Sprintf("host+http+8080/dir/page-%d.html", n), body); err != nil {
			b.Fatal(err)
		}
	}
}
