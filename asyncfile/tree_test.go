package asyncfile_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncfile"
)

func TestManySmallFilesAreWrittenAndRead(t *testing.T) {
	if testing.Short() {
		t.Skip("in a short run")
	}
	onLoop(t, func(ctx context.Context, dir string) {
		const tasks = 50
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			for i := range tasks {
				g.Go(func(ctx context.Context) error {
					dir := filepath.Join(dir, fmt.Sprint(i))
					if err := asyncfile.MkdirAll(ctx, dir, 0o700); err != nil {
						return err
					}
					for j := range *files / tasks {
						name, text := filepath.Join(dir, fmt.Sprint(j)), fmt.Sprint("text of ", i, " ", j)
						if err := asyncfile.WriteFile(ctx, name, []byte(text), 0o600); err != nil {
							return err
						}
						if got, err := asyncfile.ReadFile(ctx, name); err != nil || string(got) != text {
							return fmt.Errorf("read %q: %w", got, err)
						}
					}
					return nil
				})
			}
			return nil
		})
		ok(t, err)
		n, most, now := 0, 0, 0
		err = asyncfile.Tree(ctx, dir, 8, func(ctx context.Context, path string, d fs.DirEntry) error {
			now++
			most = max(most, now)
			defer func() { now-- }()
			if d.IsDir() {
				return nil
			}
			n++
			_, err := asyncfile.Stat(ctx, path)
			return err
		})
		if err != nil || n != *files/tasks*tasks || most != 8 {
			t.Errorf("%d files, %d at a time at most: %v", n, most, err)
		}
		ok(t, asyncfile.RemoveAll(ctx, dir))
	})
}

// makeTree makes a/{b/{1,2},c/3,d} and a link.
func makeTree(t *testing.T, dir string) {
	for _, d := range []string{"a/b", "a/c"} {
		ok(t, os.MkdirAll(filepath.Join(dir, d), 0o700))
	}
	for _, f := range []string{"a/b/1", "a/b/2", "a/c/3", "a/d"} {
		ok(t, os.WriteFile(filepath.Join(dir, f), nil, 0o600))
	}
}

func TestWalkIsThatOfFilepath(t *testing.T) {
	broken := errors.New("broken")
	onLoop(t, func(ctx context.Context, dir string) {
		makeTree(t, dir)
		for _, root := range []string{dir, filepath.Join(dir, "a"), filepath.Join(dir, "a/d"), filepath.Join(dir, "missing")} {
			for _, at := range []string{"", "a", "b", "c", "d", "1", "3", "missing"} {
				for _, result := range []error{nil, fs.SkipDir, fs.SkipAll, broken} {
					var want, got []string
					record := func(to *[]string) fs.WalkDirFunc {
						return func(path string, d fs.DirEntry, err error) error {
							*to = append(*to, fmt.Sprint(path, d, err))
							if filepath.Base(path) == at {
								return result
							}
							return err
						}
					}
					wantErr := filepath.WalkDir(root, record(&want))
					err := asyncfile.Walk(ctx, root, record(&got))
					if fmt.Sprint(err) != fmt.Sprint(wantErr) || !slices.Equal(got, want) {
						t.Errorf("%s, with %v at %s: %v, %v; want %v, %v", root, result, at, got, err, want, wantErr)
					}
				}
			}
		}
	})
}

func TestTreeSkipsAndEnds(t *testing.T) {
	broken := errors.New("broken")
	onLoop(t, func(ctx context.Context, dir string) {
		makeTree(t, dir)
		for _, test := range []struct {
			at     string
			result error
			want   string // nothing: it depends
			err    error
		}{
			{"", nil, "[1 2 3 a b c d]", nil},
			{"b", fs.SkipDir, "[3 a b c d]", nil},
			{"a", fs.SkipDir, "[a]", nil},
			{"a", fs.SkipAll, "[a]", nil},
			{"a", broken, "[a]", broken},
			{"3", broken, "", broken},
		} {
			var got []string
			err := asyncfile.Tree(ctx, dir, 4, func(_ context.Context, path string, d fs.DirEntry) error {
				if path == dir {
					return nil
				}
				got = append(got, filepath.Base(path))
				if filepath.Base(path) == test.at {
					return test.result
				}
				return nil
			})
			slices.Sort(got)
			if !errors.Is(err, test.err) || test.want != "" && fmt.Sprint(got) != test.want {
				t.Errorf("%v at %s: %v, %v", test.result, test.at, got, err)
			}
		}
		if err := asyncfile.Tree(ctx, filepath.Join(dir, "missing"), 4, nil); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("of nothing: %v", err)
		}
	})
}
