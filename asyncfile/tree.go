package asyncfile

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/asyncio-go/asyncio"
)

// Walk is [filepath.WalkDir]: it calls fn for root and all that is below, in the order of
// their names. It reads a directory in one job; fn is called in the running task, and may
// wait. Python: os.walk.
func Walk(ctx context.Context, root string, fn fs.WalkDirFunc) error {
	info, err := Lstat(ctx, root)
	if err != nil {
		err = fn(root, nil, err)
	} else {
		err = walk(ctx, root, fs.FileInfoToDirEntry(info), fn)
	}
	if err == fs.SkipDir || err == fs.SkipAll {
		return nil
	}
	return err
}

func walk(ctx context.Context, path string, d fs.DirEntry, fn fs.WalkDirFunc) error {
	if err := fn(path, d, nil); err != nil || !d.IsDir() {
		if err == fs.SkipDir && d.IsDir() {
			return nil
		}
		return err
	}
	entries, err := ReadDir(ctx, path)
	if err != nil {
		if asyncio.IsCancelled(err) || ctx.Err() != nil {
			return err
		}
		if err = fn(path, d, err); err != nil {
			if err == fs.SkipDir {
				return nil
			}
			return err
		}
	}
	for _, e := range entries {
		if err := walk(ctx, filepath.Join(path, e.Name()), e, fn); err != nil {
			if err == fs.SkipDir {
				return nil
			}
			return err
		}
	}
	return nil
}

// Tree calls fn for root and all that is below, in so many tasks at a time: for a
// directory before what is in it, otherwise in no order. When fn returns [fs.SkipDir] for
// a directory, what is in it is passed over; with [fs.SkipAll] Tree ends. Any other error
// of fn, or of reading a directory, ends the other calls, too, and is in what Tree
// returns, a [*asyncio.GroupError]. Links are not followed.
func Tree(ctx context.Context, root string, tasks int, fn func(ctx context.Context, path string, d fs.DirEntry) error) error {
	info, err := Lstat(ctx, root)
	if err != nil {
		return err
	}
	type place struct {
		path  string
		entry fs.DirEntry
	}
	// The latest first: so the queue has what is beside the way to one place, and not a
	// level of the tree.
	places := asyncio.NewLIFOQueue[place](0)
	_ = places.PutNowait(place{root, fs.FileInfoToDirEntry(info)})
	visit := func(ctx context.Context, p place) error {
		if err := fn(ctx, p.path, p.entry); err != nil || !p.entry.IsDir() {
			if err == fs.SkipDir && p.entry.IsDir() {
				return nil
			}
			return err
		}
		entries, err := ReadDir(ctx, p.path)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := places.PutNowait(place{filepath.Join(p.path, e.Name()), e}); err != nil {
				return err
			}
		}
		return nil
	}
	err = asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
		for range max(tasks, 1) {
			g.Go(func(ctx context.Context) error {
				for {
					p, err := places.Get(ctx)
					if err == asyncio.ErrQueueShutdown {
						return nil
					}
					if err != nil {
						return err
					}
					if err := visit(ctx, p); err != nil {
						return err
					}
					places.TaskDone()
				}
			})
		}
		if err := places.Join(ctx); err != nil {
			return err
		}
		places.Shutdown(true)
		return nil
	})
	if errors.Is(err, fs.SkipAll) {
		return nil
	}
	return err
}
