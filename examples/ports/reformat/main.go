// Command reformat formats Go files, many at a time, as Python's black does with those of
// Python (its schedule_formatting is on asyncio).
//
//	reformat [-check] [-workers N] [-cache FILE] FILE|DIRECTORY...
//
// The same as there: files are found in directories; what a cache knows as formatted is left
// alone; the others go to workers beside the loop, and are reported as they get ready; a
// file that cannot be parsed is reported and left as it was, and the others go on; the exit
// status is 123 for such, 1 if -check has found any that would change, and 0 else; ^C ends
// what has not begun, and what has been done is in the cache.
//
// Other than there: the workers are goroutines, since no global lock keeps them on one
// processor; a file is replaced in one step, so that nobody sees half of it; the formatter
// is Go's.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/format"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncfile"
)

// A status is what became of a file.
type status string

const (
	unchanged status = "unchanged"
	changed   status = "reformatted"
	would     status = "would reformat"
	failed    status = "cannot format"
)

// An exit is an error with an exit status.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// ExitCode is for asyncio.Main.
func (e exit) ExitCode() int { return int(e) }

// A stamp is by what the cache knows a file again.
type stamp struct {
	Size     int64
	Modified time.Time
}

// A result is what became of a file, and by what the cache knows it now.
type result struct {
	status
	stamp
}

// A run is a run of the program.
type run struct {
	check   bool
	workers int
	cache   string
	out     io.Writer

	known  map[string]stamp // files that are formatted
	counts map[status]int
}

func main() {
	r := &run{out: os.Stderr}
	flag.BoolVar(&r.check, "check", false, "tell what would change, and change nothing")
	flag.IntVar(&r.workers, "workers", runtime.NumCPU(), "how many files at a time")
	flag.StringVar(&r.cache, "cache", "", "where to keep what is formatted")
	flag.Parse()
	asyncio.Main(func(ctx context.Context) error {
		if flag.NArg() == 0 {
			return errors.New("usage: reformat [flags] FILE|DIRECTORY [FILE|DIRECTORY ...]")
		}
		return r.format(ctx, flag.Args())
	})
}

// format formats all files below the roots.
func (r *run) format(ctx context.Context, roots []string) error {
	r.known, r.counts = map[string]stamp{}, map[status]int{}
	if err := r.readCache(ctx); err != nil {
		return err
	}
	files, err := r.find(ctx, roots)
	if err != nil {
		return err
	}
	err = r.formatAll(ctx, files)
	// What was done counts, also when it was not all.
	if cacheErr := r.writeCache(ctx); cacheErr != nil {
		return errors.Join(err, cacheErr)
	}
	var parts []string
	for _, s := range []status{changed, would, unchanged, failed} {
		if n := r.counts[s]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	fmt.Fprintf(r.out, "%s\n", strings.Join(parts, ", "))
	switch {
	case err != nil:
		return err
	case r.counts[failed] > 0:
		return exit(123)
	case r.counts[would] > 0:
		return exit(1)
	}
	return nil
}

// find returns the files that the cache does not know.
func (r *run) find(ctx context.Context, roots []string) (files []string, err error) {
	for _, root := range roots {
		err := asyncfile.Walk(ctx, root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
				return fs.SkipDir
			case d.IsDir() || path != root && filepath.Ext(path) != ".go":
				return nil
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			if r.known[path] == stampOf(info) {
				r.counts[unchanged]++
			} else if !slices.Contains(files, path) {
				files = append(files, path)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

func stampOf(info fs.FileInfo) stamp { return stamp{info.Size(), info.ModTime().UTC().Round(0)} }

// formatAll formats files on the workers, and reports each when it is ready.
func (r *run) formatAll(ctx context.Context, files []string) error {
	pool := asyncio.NewThreadPoolExecutor(r.workers)
	names := map[*asyncio.Task[result]]string{}
	var tasks []*asyncio.Task[result]
	for _, file := range files {
		task := asyncio.CreateTask(ctx, func(ctx context.Context) (result, error) {
			return asyncio.ToExecutor(ctx, pool, func(context.Context) (result, error) { return formatFile(file, r.check) })
		})
		names[task] = file
		tasks = append(tasks, task)
	}
	err := r.report(ctx, tasks, names)
	for _, task := range tasks {
		task.Cancel() // those that have not begun
	}
	_, ended := asyncio.ToThread(ctx, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, pool.Shutdown(context.WithoutCancel(ctx))
	})
	return errors.Join(err, ended)
}

func (r *run) report(ctx context.Context, tasks []*asyncio.Task[result], names map[*asyncio.Task[result]]string) error {
	for task, err := range asyncio.AsCompleted(ctx, asyncio.NoTimeout, tasks...) {
		if err != nil {
			return err
		}
		file := names[task]
		done, err := task.Result()
		switch {
		case asyncio.IsCancelled(err):
			return err
		case err != nil:
			done.status = failed
			fmt.Fprintf(r.out, "%s %s: %v\n", failed, file, err)
		case done.status != unchanged:
			fmt.Fprintf(r.out, "%s %s\n", done.status, file)
		}
		r.counts[done.status]++
		if done.status == changed || done.status == unchanged {
			r.known[file] = done.stamp
		}
	}
	return nil
}

// formatFile is the work on one file. It runs on a worker, and touches nothing of the loop's.
func formatFile(name string, check bool) (result, error) {
	info, err := os.Stat(name)
	if err != nil {
		return result{}, err
	}
	source, err := os.ReadFile(name)
	if err != nil {
		return result{}, err
	}
	formatted, err := format.Source(source)
	if err != nil {
		return result{}, err
	}
	switch {
	case bytes.Equal(source, formatted):
		return result{unchanged, stampOf(info)}, nil
	case check:
		return result{status: would}, nil
	}
	if err := replace(name, formatted, info.Mode()); err != nil {
		return result{}, err
	}
	info, err = os.Stat(name)
	if err != nil {
		return result{}, err
	}
	return result{changed, stampOf(info)}, nil
}

// replace replaces a file in one step.
func replace(name string, text []byte, mode fs.FileMode) error {
	draft, err := os.CreateTemp(filepath.Dir(name), ".reformat-*")
	if err != nil {
		return err
	}
	defer os.Remove(draft.Name()) // which is not there any more, when all went well
	_, err = draft.Write(text)
	if err := errors.Join(err, draft.Chmod(mode), draft.Close()); err != nil {
		return err
	}
	return os.Rename(draft.Name(), name)
}

func (r *run) readCache(ctx context.Context) error {
	if r.cache == "" {
		return nil
	}
	text, err := asyncfile.ReadFile(ctx, r.cache)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if json.Unmarshal(text, &r.known) != nil {
		r.known = map[string]stamp{} // it is only a cache
	}
	return nil
}

func (r *run) writeCache(ctx context.Context) error {
	if r.cache == "" || r.check {
		return nil
	}
	text, err := json.Marshal(r.known)
	if err != nil {
		return err
	}
	return asyncfile.ReplaceFile(ctx, r.cache, text, 0o600)
}
