package cli_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// files returns the names of all files beneath a directory.
func files(t testing.TB, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(dir, path)
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func content(t testing.TB, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestOutputsPairWithURLsInOrder(t *testing.T) {
	u, dir := newSite(t), t.TempDir()
	got := fetch(t, "-s", "--output-dir", dir, "-o", "a", u+"/status/200", "-O", u+"/echo", "-o", "-", u+"/status/201", u+"/status/202", "--parallel-max", "1")
	if got.code != 0 || got.out != "this is 201this is 202" || !slices.Equal(files(t, dir), []string{"a", "echo"}) || content(t, dir, "a") != "this is 200" {
		t.Fatalf("%+v, %q", got, files(t, dir))
	}
	dir = t.TempDir()
	got = fetch(t, "-s", "--output-dir", dir, "-O", u+"/status/200", u+"/status/201")
	if got.code != 0 || got.out != "" || !slices.Equal(files(t, dir), []string{"200", "201"}) {
		t.Fatalf("%+v, %q", got, files(t, dir))
	}
}

// TestAnOutputDirectoryAloneSaves pins down a difference from curl, which
// ignores the option where neither -o nor -O is given.
func TestAnOutputDirectoryAloneSaves(t *testing.T) {
	u, dir := newSite(t), t.TempDir()
	args := []string{"--output-dir", dir, u + "/status/200", u + "/status/201"}
	if want := curl(t, args...); want.code != 0 || want.out != "this is 200this is 201" || len(files(t, dir)) != 0 {
		t.Errorf("curl saves now: %+v, %q", want, files(t, dir))
	}
	if got := fetch(t, append(args, "-s")...); got.code != 0 || got.out != "" || !slices.Equal(files(t, dir), []string{"200", "201"}) {
		t.Errorf("%+v, %q", got, files(t, dir))
	}
	dir = t.TempDir()
	if got := fetch(t, "-s", "--ndjson", "--output-dir", dir, u+"/status/200"); got.code != 0 || strings.Count(got.out, "\n") != 1 || !slices.Equal(files(t, dir), []string{"200"}) {
		t.Errorf("%+v, %q", got, files(t, dir))
	}
	dir = t.TempDir()
	if got := fetch(t, "-s", "--output-dir", dir, "--parallel-max", "1", "-o", "-", u+"/status/200", u+"/status/201"); got.code != 0 || got.out != "this is 200this is 201" || len(files(t, dir)) != 0 {
		t.Errorf("%+v, %q", got, files(t, dir))
	}
}

func TestNamesAreNotTakenTwice(t *testing.T) {
	u, dir := newSite(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "200.1"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	list := strings.Repeat(u+"/status/200\n", 3)
	got := fetchFrom(t, list, "-i", "-", "-O", "--output-dir", dir, "--parallel-max", "1")
	if got.code != 0 || !slices.Equal(files(t, dir), []string{"200", "200.1", "200.2", "200.3"}) || content(t, dir, "200.1") != "mine" {
		t.Fatalf("%+v, %q", got, files(t, dir))
	}
	if n := strings.Count(got.errs, "another URL has the name 200\n"); n != 2 {
		t.Errorf("it was told %d times: %s", n, got.errs)
	}
}

func TestADirectoryIsMadeOnlyWhenAskedFor(t *testing.T) {
	u, dir := newSite(t), t.TempDir()
	if got := fetch(t, "-sS", "--output-dir", filepath.Join(dir, "a"), "-o", "b/c", u+"/echo"); got.code != 23 || !strings.Contains(got.errs, "(23) "+u) {
		t.Fatalf("%+v", got)
	}
	if got := fetch(t, "-sS", "--create-dirs", "--output-dir", filepath.Join(dir, "a"), "-o", "b/c", u+"/echo"); got.code != 0 || !slices.Equal(files(t, dir), []string{"a/b/c"}) {
		t.Fatalf("%+v, %q", got, files(t, dir))
	}
}

func TestAnIncompleteBodyLeavesNothing(t *testing.T) {
	u := newRawSite(t, misbehave)
	err := incompleteBodies(t, u, "1")
	if err != nil { // the whole one had no time, on a busy machine
		t.Log(err)
		err = incompleteBodies(t, u, "8")
	}
	if err != nil {
		t.Fatal(err)
	}
}

func incompleteBodies(t *testing.T, u, within string) error {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "short-chunk"), []byte("from before"), 0o600); err != nil {
		return err
	}
	got := fetch(t, "-s", "-O", "--output-dir", dir, "--max-time", within, u+"/short", u+"/short-chunk", u+"/bad-chunk", u+"/drip", u+"/good")
	if got.code != 18 || !slices.Equal(files(t, dir), []string{"good", "short-chunk"}) || content(t, dir, "short-chunk") != "from before" {
		return fmt.Errorf("%+v, %q", got, files(t, dir))
	}
	if got := fetch(t, "-s", "--max-time", within, u+"/short", u+"/drip", u+"/good"); got.code != 18 || got.out != "good" {
		return fmt.Errorf("%+v", got)
	}
	return nil
}

func TestALinkIsNotFollowedOutOfTheDirectory(t *testing.T) {
	u, dir := newSite(t), t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("safe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "200")); err != nil {
		t.Skip("no links here:", err)
	}
	if got := fetch(t, "-s", "-O", "--output-dir", dir, u+"/status/200"); got.code != 0 || content(t, outside) != "safe" || content(t, dir, "200") != "this is 200" {
		t.Fatalf("%+v", got)
	}
	// A name that the user chooses may be a link.
	link := filepath.Join(dir, "link")
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	if got := fetch(t, "-s", "-o", link, u+"/status/200"); got.code != 0 || content(t, outside) != "this is 200" {
		t.Fatalf("%+v", got)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode().IsRegular() {
		t.Error("the link is gone", err)
	}
}

func TestADirectoryOfThatNameIsAnError(t *testing.T) {
	u, dir := newSite(t), t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "200"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-O", "--output-dir", dir}, {"-o", filepath.Join(dir, "200")}} {
		if got := fetch(t, append(args, "-sS", u+"/status/200")...); got.code != 23 || strings.Count(got.errs, "\n") != 1 {
			t.Errorf("%+v", got)
		}
	}
	if len(files(t, dir)) > 0 {
		t.Error(files(t, dir))
	}
}

func TestTheNullDeviceStaysOne(t *testing.T) {
	u := newSite(t)
	list := strings.Repeat(u+"/plain\n", 10)
	got := fetchFrom(t, list, "-i", "-", "-o", os.DevNull, "-w", "%{size_download} ")
	if got.code != 0 || got.out != strings.Repeat(fmt.Sprint(len(plainPage), " "), 10) {
		t.Fatalf("%+v", got)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Fatal(info.Mode(), err)
	}
}

func TestBodiesDoNotInterleave(t *testing.T) {
	const size = 3 << 20 // beyond what is kept in memory
	u := newRawSite(t, func(path string, c *net.TCPConn, _ <-chan struct{}) {
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
		for range size >> 10 {
			if _, err := io.WriteString(c, strings.Repeat(path, 1024)); err != nil {
				return
			}
		}
	})
	args := []string{"-s"}
	for c := 'a'; c <= 'l'; c++ {
		args = append(args, u+"/"+string(c))
	}
	got := fetch(t, args...)
	if got.code != 0 || len(got.out) != 12*size {
		t.Fatalf("(%d) %d bytes, %s", got.code, len(got.out), got.errs)
	}
	for i := range 12 {
		if body := got.out[i*size : (i+1)*size]; strings.Count(body, body[:1]) != size {
			t.Fatalf("body %d is mixed", i)
		}
	}
}

func TestWriteOutFollowsItsBody(t *testing.T) {
	u := newSite(t)
	args := []string{"-s", "-w", "=%{urlnum};"}
	for i := range 50 {
		args = append(args, fmt.Sprintf("%s/status/%d", u, 400+i))
	}
	got := fetch(t, args...)
	for part := range strings.SplitSeq(strings.TrimSuffix(got.out, ";"), ";") {
		var code, number int
		if _, err := fmt.Sscanf(part, "this is %d=%d", &code, &number); err != nil || code != 400+number {
			t.Fatalf("%q in %q", part, got.out)
		}
	}
}

func TestNDJSONAndABodyDoNotShareStandardOutput(t *testing.T) {
	u := newSite(t)
	if got := fetch(t, "-s", "--ndjson", u+"/plain"); got.code != 0 || strings.Count(got.out, "\n") != 1 || got.out[0] != '{' {
		t.Errorf("%+v", got)
	}
	if got := fetch(t, "-s", "--ndjson", "-o", "-", u+"/plain"); got.code != 2 {
		t.Errorf("%+v", got)
	}
}
