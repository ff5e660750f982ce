package asyncfile_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
	"golang.org/x/sys/unix"
)

// slowText is what is in the file of a slow disk.
const slowText = "the content, at last"

// A slowDisk is a disk of one file, f, that answers who reads or writes it when the test
// says so. It is a file system of the kernel's, by its protocol FUSE.
type slowDisk struct {
	dir   string
	dev   *os.File
	wants chan struct{} // gets one when it is asked
	goOn  chan struct{} // and answers when it gets one here
}

// Requests of the protocol, those that are answered.
const (
	fuseLookup      = 1
	fuseForget      = 2
	fuseGetattr     = 3
	fuseSetattr     = 4
	fuseOpen        = 14
	fuseRead        = 15
	fuseWrite       = 16
	fuseRelease     = 18
	fuseFlush       = 25
	fuseInit        = 26
	fuseInterrupt   = 36
	fuseBatchForget = 42

	fuseRoot, fuseFile = 1, 2 // nodes
	fuseDirectIO       = 1    // no cache of what is read
	fuseMaxWrite       = 1 << 16
)

type fuseRequest struct {
	Len, Opcode   uint32
	Unique, Node  uint64
	UID, GID, PID uint32
	_             uint32
}

type fuseAnswer struct {
	Len    uint32
	Error  int32
	Unique uint64
}

type fuseAttr struct {
	Ino, Size, Blocks, Atime, Mtime, Ctime           uint64
	AtimeNs, MtimeNs, CtimeNs                        uint32
	Mode, Links, UID, GID, Rdev, BlockSize, AttrFlag uint32
}

func mountSlowDisk(t *testing.T) *slowDisk {
	t.Helper()
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skip("there is no FUSE: ", err)
	}
	d := &slowDisk{wants: make(chan struct{}), goOn: make(chan struct{})}
	served := make(chan error, 1)
	t.Cleanup(func() { // after the disk was unmounted
		if d.dev == nil {
			ok(t, unix.Close(fd))
			return
		}
		if err := <-served; err != nil {
			t.Error("the disk: ", err)
		}
		ok(t, d.dev.Close())
	})
	d.dir = mount(t, "fuse", fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd))
	d.dev = os.NewFile(uintptr(fd), "/dev/fuse") // which can be polled only now
	go func() { served <- d.serve() }()
	// Package os asks of a file that it opens whether it can be polled, and on a thread
	// that the runtime takes for one that is not in the kernel. So this is asked before.
	f, err := unix.Open(filepath.Join(d.dir, "f"), unix.O_RDONLY, 0)
	ok(t, err)
	_, err = unix.Poll([]unix.PollFd{{Fd: int32(f), Events: unix.POLLIN}}, 0)
	ok(t, err, unix.Close(f))
	return d
}

// asked waits until somebody reads or writes.
func (d *slowDisk) asked(ctx context.Context) error {
	_, err := asyncio.WrapChan(asyncio.CurrentTask(ctx).Loop(), d.wants).Await(ctx)
	return err
}

func (d *slowDisk) answer() { d.goOn <- struct{}{} }

// serve answers requests until the disk is unmounted.
func (d *slowDisk) serve() error {
	buf := make([]byte, fuseMaxWrite+4096)
	for {
		n, err := d.dev.Read(buf)
		switch err, _ := err.(*os.PathError); {
		case err == nil:
		case err.Err == syscall.ENODEV:
			return nil
		case err.Err == syscall.ENOENT: // a request that was taken back
			continue
		case d.unmounted(): // while the runtime was asking whether there is a request
			return nil
		default:
			return err
		}
		var r fuseRequest
		size, err := binary.Decode(buf[:n], binary.NativeEndian, &r)
		if err != nil {
			return err
		}
		args := bytes.Clone(buf[size:n])
		switch r.Opcode {
		case fuseForget, fuseBatchForget, fuseInterrupt: // have no answer
		case fuseRead, fuseWrite:
			if binary.NativeEndian.Uint64(args[8:]) == 0 { // at the beginning, and not for the end
				go func() {
					d.wants <- struct{}{}
					<-d.goOn
					_ = d.reply(r, args) // whose caller may have gone
				}()
				continue
			}
			fallthrough
		default:
			if err := d.reply(r, args); err != nil {
				return err
			}
		}
	}
}

// unmounted reports whether there will be no more requests.
func (d *slowDisk) unmounted() (yes bool) {
	c, err := d.dev.SyscallConn()
	if err != nil {
		return false
	}
	_ = c.Control(func(fd uintptr) {
		dev := []unix.PollFd{{Fd: int32(fd)}}
		_, err := unix.Poll(dev, 0)
		yes = err == nil && dev[0].Revents&unix.POLLERR != 0
	})
	return yes
}

func (d *slowDisk) reply(r fuseRequest, args []byte) error {
	body, e := d.do(r, args)
	out, err := binary.Append(nil, binary.NativeEndian, fuseAnswer{Error: -int32(e), Unique: r.Unique})
	if err != nil {
		return err
	}
	if e == 0 && body != nil {
		if out, err = binary.Append(out, binary.NativeEndian, body); err != nil {
			return err
		}
	}
	binary.NativeEndian.PutUint32(out, uint32(len(out)))
	_, err = d.dev.Write(out)
	return err
}

func (d *slowDisk) do(r fuseRequest, args []byte) (body any, e syscall.Errno) {
	switch r.Opcode {
	case fuseInit:
		return struct {
			Major, Minor, ReadAhead, Flags uint32
			Background, Congestion         uint16
			MaxWrite, TimeGran             uint32
			MaxPages, Align                uint16
			More                           [8]uint32
		}{Major: 7, Minor: 31, MaxWrite: fuseMaxWrite, TimeGran: 1}, 0
	case fuseLookup:
		if string(args) != "f\x00" {
			return nil, syscall.ENOENT
		}
		return struct {
			Node, Generation, EntryValid, AttrValid uint64
			EntryValidNs, AttrValidNs               uint32
			Attr                                    fuseAttr
		}{Node: fuseFile, Attr: attrOf(fuseFile)}, 0
	case fuseGetattr, fuseSetattr:
		return struct {
			Valid      uint64
			ValidNs, _ uint32
			Attr       fuseAttr
		}{Attr: attrOf(r.Node)}, 0
	case fuseOpen:
		return struct {
			Handle   uint64
			Flags, _ uint32
		}{Flags: fuseDirectIO}, 0
	case fuseRead:
		offset := binary.NativeEndian.Uint64(args[8:])
		return []byte(slowText)[min(offset, uint64(len(slowText))):], 0
	case fuseWrite:
		return struct{ Size, _ uint32 }{Size: binary.NativeEndian.Uint32(args[16:])}, 0
	case fuseFlush, fuseRelease:
		return nil, 0
	}
	return nil, syscall.ENOSYS
}

func attrOf(node uint64) fuseAttr {
	if node == fuseRoot {
		return fuseAttr{Ino: node, Mode: syscall.S_IFDIR | 0o700, Links: 2}
	}
	return fuseAttr{Ino: node, Mode: syscall.S_IFREG | 0o600, Links: 1, Size: uint64(len(slowText))}
}
