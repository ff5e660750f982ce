package asyncfile_test

import (
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"os"
	"path/filepath"
	"testing/fstest"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncfile"
)

// inDir runs body as a coroutine, with a directory that is removed after it.
func inDir(body func(ctx context.Context, dir string) error) {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		dir, err := asyncfile.MkdirTemp(ctx, "", "example")
		if err != nil {
			return err
		}
		defer asyncfile.RemoveAll(ctx, dir)
		return body(ctx, dir)
	})
	if err != nil {
		fmt.Println(err)
	}
}

func ExampleOpenFile() {
	inDir(func(ctx context.Context, dir string) error {
		f, err := asyncfile.OpenFile(ctx, filepath.Join(dir, "log"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
		if err != nil {
			return err
		}
		defer f.Close(ctx)
		if _, err := f.Write(ctx, []byte("started\n")); err != nil {
			return err
		}
		if err := f.Sync(ctx); err != nil {
			return err
		}
		info, err := f.Stat(ctx)
		if err != nil {
			return err
		}
		fmt.Println(info.Size(), "bytes")
		return nil
	})
	// Output: 8 bytes
}

func ExampleReadFile() {
	inDir(func(ctx context.Context, dir string) error {
		name := filepath.Join(dir, "greeting")
		if err := asyncfile.WriteFile(ctx, name, []byte("hello"), 0o644); err != nil {
			return err
		}
		text, err := asyncfile.ReadFile(ctx, name)
		fmt.Printf("%s\n", text)
		return err
	})
	// Output: hello
}

func ExampleReadDir() {
	inDir(func(ctx context.Context, dir string) error {
		for _, name := range []string{"b", "a"} {
			if err := asyncfile.WriteFile(ctx, filepath.Join(dir, name), nil, 0o644); err != nil {
				return err
			}
		}
		entries, err := asyncfile.ReadDir(ctx, dir) // by name
		for _, e := range entries {
			fmt.Println(e.Name())
		}
		return err
	})
	// Output:
	// a
	// b
}

func ExampleWalk() {
	inDir(func(ctx context.Context, dir string) error {
		if err := asyncfile.MkdirAll(ctx, filepath.Join(dir, "a", "b"), 0o755); err != nil {
			return err
		}
		return asyncfile.Walk(ctx, dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			below, err := filepath.Rel(dir, path)
			fmt.Println(filepath.ToSlash(below))
			return err
		})
	})
	// Output:
	// .
	// a
	// a/b
}

// The sizes of all files, sixteen at a time: what the tasks share needs no lock.
func ExampleTree() {
	inDir(func(ctx context.Context, dir string) error {
		for i := range 100 {
			if err := asyncfile.WriteFile(ctx, filepath.Join(dir, fmt.Sprint(i)), make([]byte, i), 0o644); err != nil {
				return err
			}
		}
		total := int64(0)
		err := asyncfile.Tree(ctx, dir, 16, func(ctx context.Context, path string, d fs.DirEntry) error {
			if d.IsDir() {
				return nil
			}
			info, err := asyncfile.Lstat(ctx, path)
			if err == nil {
				total += info.Size()
			}
			return err
		})
		fmt.Println(total, "bytes")
		return err
	})
	// Output: 4950 bytes
}

func ExampleCopyFile() {
	inDir(func(ctx context.Context, dir string) error {
		from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
		if err := asyncfile.WriteFile(ctx, from, []byte("the text"), 0o644); err != nil {
			return err
		}
		n, err := asyncfile.CopyFile(ctx, to, from)
		fmt.Println(n, "bytes")
		return err
	})
	// Output: 8 bytes
}

func ExampleCreateTemp() {
	inDir(func(ctx context.Context, dir string) error {
		f, err := asyncfile.CreateTemp(ctx, dir, "upload-*.part")
		if err != nil {
			return err
		}
		defer asyncfile.Remove(ctx, f.Name())
		defer f.Close(ctx)
		named, err := filepath.Match("upload-*.part", filepath.Base(f.Name()))
		fmt.Println(named)
		return err
	})
	// Output: true
}

// A line costs no job: they are read ahead.
func ExampleFile_Lines() {
	inDir(func(ctx context.Context, dir string) error {
		name := filepath.Join(dir, "names")
		if err := asyncfile.WriteFile(ctx, name, []byte("Ada\nGrace\n"), 0o644); err != nil {
			return err
		}
		f, err := asyncfile.Open(ctx, name)
		if err != nil {
			return err
		}
		defer f.Close(ctx)
		for line, err := range f.Lines(ctx) {
			if err != nil {
				return err
			}
			fmt.Println(line)
		}
		return nil
	})
	// Output:
	// Ada
	// Grace
}

// Who reads the file sees all of the old one or all of the new one.
func ExampleReplace() {
	inDir(func(ctx context.Context, dir string) error {
		name := filepath.Join(dir, "state.json")
		err := asyncfile.Replace(ctx, name, 0o644, func(ctx context.Context, f *asyncfile.File) error {
			return json.NewEncoder(f.With(ctx)).Encode(map[string]int{"n": 1})
		})
		if err != nil {
			return err
		}
		text, err := asyncfile.ReadFile(ctx, name)
		fmt.Printf("%s", text)
		return err
	})
	// Output: {"n":1}
}

// Code that knows io/fs reads files of the system, and a task what is an fs.FS; neither blocks
// the loop.
func ExampleFS() {
	inDir(func(ctx context.Context, dir string) error {
		page := filepath.Join(dir, "page.html")
		if err := asyncfile.WriteFile(ctx, page, []byte("Hello, {{.}}!\n"), 0o644); err != nil {
			return err
		}
		t, err := template.ParseFS(asyncfile.DirFS(ctx, dir), "*.html")
		if err != nil {
			return err
		}
		if err := t.Execute(os.Stdout, "Ada"); err != nil {
			return err
		}
		archive := fstest.MapFS{"motto": {Data: []byte("one thread")}} // or a zip.Reader, an embed.FS
		motto, err := fs.ReadFile(asyncfile.FS(ctx, archive), "motto")
		fmt.Printf("%s\n", motto)
		return err
	})
	// Output:
	// Hello, Ada!
	// one thread
}

// Two that have opened a file, in one process or in two.
func ExampleFile_TryLock() {
	inDir(func(ctx context.Context, dir string) error {
		name := filepath.Join(dir, "lock")
		first, err := asyncfile.Create(ctx, name)
		if err != nil {
			return err
		}
		defer first.Close(ctx)
		second, err := asyncfile.Open(ctx, name)
		if err != nil {
			return err
		}
		defer second.Close(ctx)
		if err := first.Lock(ctx); err != nil {
			return err
		}
		for range 2 {
			locked, err := second.TryLock(ctx)
			if err != nil {
				return err
			}
			fmt.Println(locked)
			if err := first.Unlock(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	// Output:
	// false
	// true
}

func ExampleWatch() {
	inDir(func(ctx context.Context, dir string) error {
		w, err := asyncfile.Watch(ctx, dir)
		if err != nil {
			return err
		}
		defer w.Close()
		if err := asyncfile.WriteFile(ctx, filepath.Join(dir, "config"), []byte("a = 1"), 0o644); err != nil {
			return err
		}
		e, err := w.Next(ctx)
		if err != nil {
			return err
		}
		fmt.Println(filepath.Base(e.Path), e.Change)
		return nil
	})
	// Output: config CREATE
}

// What the package has no function for is one job, too.
func ExampleDo() {
	inDir(func(ctx context.Context, dir string) error {
		size, err := asyncfile.Do(ctx, func(context.Context) (int64, error) {
			name := filepath.Join(dir, "sparse")
			if err := os.WriteFile(name, nil, 0o644); err != nil {
				return 0, err
			}
			if err := os.Truncate(name, 1<<20); err != nil {
				return 0, err
			}
			info, err := os.Stat(name)
			if err != nil {
				return 0, err
			}
			return info.Size(), nil
		})
		fmt.Println(size, "bytes")
		return err
	})
	// Output: 1048576 bytes
}
