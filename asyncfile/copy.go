package asyncfile

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// copyPiece is what one job copies: enough that a job costs nothing beside it, and little
// enough that others get at a thread meanwhile.
const copyPiece = 8 << 20

// CopyFile copies a file, with its permissions, and returns how many bytes it had. The
// memory that it takes does not depend on the size; where the system can copy within
// itself, it does. The copy has its name only when it is whole: when CopyFile fails or
// is cut off, what there was of that name stays. It is not synced. Python: shutil.copy.
func CopyFile(ctx context.Context, dst, src string) (n int64, err error) {
	d := diskOf(ctx)
	c, err := call(ctx, func() (*copying, error) { return newCopying(d, dst, src) }, (*copying).undo)
	if err != nil {
		return 0, err
	}
	done := false
	defer func() {
		if !done {
			_ = always(ctx, func() error { c.undo(); return nil })
		}
	}()
	for {
		p, err := call(ctx, c.piece, nil)
		n += p.n
		if err != nil {
			return n, err
		}
		if p.last {
			break
		}
	}
	if err := run(ctx, c.finish); err != nil {
		return n, err
	}
	done = true
	return n, nil
}

// A copying is a copy under way. Its methods block.
type copying struct {
	from diskFile
	perm fs.FileMode
	to   *replacement
}

func newCopying(d disk, dst, src string) (_ *copying, err error) {
	from, err := d.OpenFile(src, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	info, err := from.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("copy %s: it is a directory", src)
	}
	var to *replacement
	if err == nil {
		to, err = newReplacement(d, dst)
	}
	if err != nil {
		_ = from.Close()
		return nil, err
	}
	return &copying{from: from, perm: info.Mode(), to: to}, nil
}

type copied struct {
	n    int64
	last bool
}

func (c *copying) piece() (copied, error) {
	n, err := io.CopyN(c.to.file, c.from, copyPiece)
	if err == io.EOF {
		return copied{n, true}, nil
	}
	return copied{n, false}, err
}

func (c *copying) finish() error {
	_ = c.from.Close()
	return c.to.finish(c.perm, false)
}

func (c *copying) undo() {
	_ = c.from.Close()
	c.to.undo()
}
