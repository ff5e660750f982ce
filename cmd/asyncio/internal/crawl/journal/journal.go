// Package journal keeps records in one file so that none that was committed is
// lost: not when the process is killed, and, with sync, not when the power is.
//
// A record is as long as its writer likes. It stands in a frame: a CRC-32C of
// all that follows, the length, the record. A batch of records is written in one
// write and, if wanted, synced once. A frame that is not whole, which a crash
// leaves at the end, is cut off when the file is opened again; so is all that
// comes after it, for what follows a hole cannot be trusted.
//
// A journal belongs to one process at a time: a second one gets [ErrInUse].
package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

// ErrInUse is returned for a directory whose journal another process has open.
var ErrInUse = errors.New("another process uses it")

// ErrExists is returned by [Create] where there is a journal.
var ErrExists = errors.New("there is a journal")

// FileName is the name of the file in its directory.
const FileName = "journal"

const (
	fileName = FileName
	lockName = "lock"
	magic    = "asyncio journal 1\n"

	// MaxRecord is how long a record may be.
	MaxRecord = 64 << 20
)

var table = crc32.MakeTable(crc32.Castagnoli)

// A Journal is one open file. Its methods must not be called at the same time.
type Journal struct {
	root *os.Root
	lock *os.File
	file *os.File
	size int64 // of what is committed

	buf    []byte // frames that are not
	broken error
}

// Cut is what opening a journal took off its end.
type Cut struct {
	Bytes int64 // 0: nothing
}

// Create makes a journal in a directory, which it makes too.
func Create(dir string) (*Journal, error) {
	j, err := open(dir)
	if err != nil {
		return nil, err
	}
	if _, err := j.root.Lstat(fileName); err == nil {
		j.release()
		return nil, fmt.Errorf("%s: %w", dir, ErrExists)
	}
	if err := j.begin(fileName); err != nil {
		j.release()
		return nil, err
	}
	return j, nil
}

// InUse reports whether a process has the journal of a directory open.
func InUse(dir string) bool {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(tryLock(f), ErrInUse)
}

// begin makes a file with nothing in it. It is whole when it gets its name.
func (j *Journal) begin(name string) error {
	const temp = fileName + ".new"
	f, err := j.root.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return err
	}
	if _, err = f.WriteString(magic); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = j.root.Rename(temp, name)
	}
	if err == nil {
		err = syncDir(j.root)
	}
	if err != nil {
		_ = f.Close()
		return err
	}
	j.file, j.size = f, int64(len(magic))
	return nil
}

// Open opens the journal of a directory. It hands each record to read, in
// order, which may keep it, and cuts off what is not whole at the end.
func Open(dir string, read func(record []byte) error) (*Journal, Cut, error) {
	j, err := open(dir)
	if err != nil {
		return nil, Cut{}, err
	}
	cut, err := j.load(read)
	if err != nil {
		_ = j.Close()
		return nil, cut, err
	}
	return j, cut, nil
}

// open takes the directory.
func open(dir string) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	lock, err := root.OpenFile(lockName, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		_ = root.Close()
		return nil, err
	}
	if err := tryLock(lock); err != nil {
		_ = lock.Close()
		_ = root.Close()
		return nil, fmt.Errorf("%s: %w", filepath.Clean(dir), err)
	}
	return &Journal{root: root, lock: lock}, nil
}

func (j *Journal) load(read func([]byte) error) (Cut, error) {
	f, err := j.root.OpenFile(fileName, os.O_RDWR, 0)
	if err != nil {
		return Cut{}, err
	}
	j.file = f
	info, err := f.Stat()
	if err != nil {
		return Cut{}, err
	}
	good, err := Scan(f, read)
	if err != nil {
		return Cut{}, err
	}
	cut := Cut{Bytes: info.Size() - good}
	if good == 0 {
		_ = f.Close()
		return cut, j.begin(fileName)
	}
	j.size = good
	if cut.Bytes > 0 {
		// What is appended next must not stand behind a hole.
		if err := f.Truncate(good); err != nil {
			return cut, err
		}
		if err := f.Sync(); err != nil {
			return cut, err
		}
	}
	_, err = f.Seek(good, io.SeekStart)
	return cut, err
}

// Append adds a record to the batch. It writes nothing yet.
func (j *Journal) Append(record []byte) {
	at := len(j.buf)
	j.buf = append(j.buf, 0, 0, 0, 0)
	j.buf = binary.AppendUvarint(j.buf, uint64(len(record)))
	j.buf = append(j.buf, record...)
	binary.LittleEndian.PutUint32(j.buf[at:], crc32.Checksum(j.buf[at+4:], table))
}

// maxSpare is how large a buffer is kept for the next batch.
const maxSpare = 4 << 20

// Commit writes the batch, and syncs it if wanted. When it fails, the batch is
// dropped and the file is as it was before; where that cannot be, each later
// Commit fails too.
func (j *Journal) Commit(sync bool) error {
	if j.broken != nil {
		return j.broken
	}
	batch := j.buf
	if j.buf = j.buf[:0]; cap(j.buf) > maxSpare {
		j.buf = nil
	}
	if len(batch) > 0 {
		if n, err := j.file.Write(batch); err != nil {
			return j.undo(n, err)
		}
		j.size += int64(len(batch))
	}
	if sync {
		if err := j.file.Sync(); err != nil {
			// What the disk has is not known, and another sync would not tell.
			j.broken = fmt.Errorf("the journal cannot be synced: %w", err)
			return j.broken
		}
	}
	return nil
}

// undo takes back a batch of which a part was written.
func (j *Journal) undo(written int, err error) error {
	err = fmt.Errorf("the journal cannot be written: %w", err)
	if written > 0 {
		if e := j.file.Truncate(j.size); e != nil {
			j.broken = err
			return err
		}
	}
	if _, e := j.file.Seek(j.size, io.SeekStart); e != nil {
		j.broken = err
	}
	return err
}

// Size is how many bytes the file has.
func (j *Journal) Size() int64 { return j.size }

// Compact writes the journal anew: with the records that fill appends to the
// new one. All must be committed. The old one stays until the new one is whole and
// synced; after an error too, or each later [Journal.Commit] fails.
func (j *Journal) Compact(fill func(j *Journal) error) error {
	const next = fileName + ".next"
	fresh := &Journal{root: j.root}
	if err := fresh.begin(next); err != nil {
		return err
	}
	err := fill(fresh)
	if err == nil {
		err = fresh.Commit(true)
	}
	if err == nil {
		err = j.root.Rename(next, fileName)
	}
	if err != nil {
		_ = fresh.file.Close()
		_ = j.root.Remove(next)
		return fmt.Errorf("the journal cannot be compacted: %w", err)
	}
	_ = j.file.Close()
	j.file, j.size = fresh.file, fresh.size
	if err := syncDir(j.root); err != nil {
		// Which of the two files a loss of power would leave is not known.
		j.broken = fmt.Errorf("the journal's directory cannot be synced: %w", err)
		return j.broken
	}
	return nil
}

// Flush writes what was appended to a journal that is being filled, when that
// is much.
func (j *Journal) Flush() error {
	if len(j.buf) < maxSpare/4 {
		return nil
	}
	return j.Commit(false)
}

// Close closes the file and gives the directory to others. What was not
// committed is dropped.
func (j *Journal) Close() error {
	var err error
	if j.file != nil {
		err = j.file.Close()
	}
	j.release()
	return err
}

func (j *Journal) release() {
	_ = j.lock.Close() // which unlocks it
	_ = j.root.Close()
}

// Records reads all that is committed once more.
func (j *Journal) Records(read func(record []byte) error) error {
	f, err := j.root.Open(fileName)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = Scan(io.LimitReader(f, j.size), read)
	return err
}
