//go:build unix

package cli_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/cli"
)

func TestANamedPipeIsWrittenToAndStays(t *testing.T) {
	u := newSite(t)
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan []byte)
	go func() {
		b, _ := os.ReadFile(path)
		read <- b
	}()
	got := fetch(t, "-s", "-o", path, u+"/plain")
	if b := <-read; got.code != 0 || !bytes.Equal(b, plainPage) {
		t.Fatalf("%+v, %d bytes", got, len(b))
	}
	if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeNamedPipe == 0 || len(files(t, filepath.Dir(path))) != 1 {
		t.Fatal(info, err)
	}
	if got := fetch(t, "-sS", "-O", "--output-dir", filepath.Dir(path), u+"/page/../pipe"); got.code != 23 || !strings.Contains(got.errs, "not a regular file") {
		t.Fatalf("%+v", got)
	}
}

func TestBodiesDoNotInterleaveInAPipe(t *testing.T) {
	u := newSite(t)
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan []byte)
	go func() {
		b, _ := os.ReadFile(path)
		read <- b
	}()
	got := fetchFrom(t, strings.Repeat(u+"/plain\n", 20), "-s", "-i", "-", "-o", path)
	if b := <-read; got.code != 0 || !bytes.Equal(b, bytes.Repeat(plainPage, 20)) {
		t.Fatalf("%+v, %d bytes", got, len(b))
	}
}

func TestAReaderWhoGoesAwayEndsTheRun(t *testing.T) {
	u := newSite(t)
	list := strings.Repeat(u+"/plain\n", 500)
	for _, args := range [][]string{{"-i", "-"}, {"-i", "-", "--ndjson"}} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_, _ = io.ReadFull(r, make([]byte, 1000))
			_ = r.Close()
		}()
		var errs bytes.Buffer
		code := cli.Run(t.Context(), append([]string{"fetch", "-sS"}, args...), strings.NewReader(list), w, &errs)
		_ = w.Close()
		if code != 23 || strings.Count(errs.String(), "\n") != 1 || !strings.Contains(errs.String(), "asyncio: (23) ") {
			t.Errorf("%q: (%d) %s", args, code, errs.String())
		}
	}
}

func TestARunThatIsOverDoesNotWaitForMoreURLs(t *testing.T) {
	u := newSite(t)
	list, writer, err := os.Pipe() // whose writer keeps it open and writes no more
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	if _, err := io.WriteString(writer, u+"/plain\n"+u+"/plain\n"); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if code := cli.Run(t.Context(), []string{"fetch", "-s", "-i", "-"}, list, w, io.Discard); code != 23 {
		t.Error(code)
	}
	_ = list.Close() // what still reads there ends
}

func TestAFullDiskIsAWriteError(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full here")
	}
	u := newSite(t)
	if got, want := fetch(t, "-sS", "-o", "/dev/full", u+"/plain"), curl(t, "-o", "/dev/full", u+"/plain"); got.code != 23 || want.code != 23 {
		t.Fatalf("%+v; curl: %+v", got, want)
	}
}
