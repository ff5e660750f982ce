package sim

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// A recording is what came to a loop from outside, in order: for each call that the
// loop made of its driver what it asked, as far as a number tells, and what came of it.

// An op is what an entry of a recording is about.
type op uint8

const (
	opNow           op = iota // the clock was read
	opWall                    // and that of package time
	opUntil                   // how far away a time of it is
	opChoose                  // chance
	opPoll                    // the driver has told what has happened
	opPark                    // likewise, after a wait
	opReady                   // it has told one handle
	opJobDone                 // it has told of the end of a job
	opJob                     // a job is to run
	opDial                    //
	opListen                  //
	opStart                   //
	opConnectError            //
	opRead                    //
	opWrite                   //
	opCloseWrite              //
	opClose                   //
	opReset                   //
	opDiscard                 //
	opLocal                   // address
	opRemote                  // address
	opAccept                  //
	opCloseListener           //
	opOpenPacket              //
	opReadFrom                //
	opOpenFile                //
	opReaderGone              // of a pipe
	opNotify                  // a signal is to be handled
	opProcess                 // was started
	opPipe                    // of a process
	opWatch                   // its end
	opExitCode                //
	opSignal                  // to it
	opEnd                     // the loop has closed its driver

	numOps
)

var opNames = [numOps]string{"the clock is read", "the time of day is read", "a deadline is set", "something is chosen by chance",
	"the loop looks what has happened", "the loop waits", "a socket is ready", "a job has ended", "a job begins", "dial", "listen",
	"a connection is taken up", "a connection was made or not", "read", "write", "end of writing", "close", "reset", "discard",
	"local address", "remote address", "accept", "close of a listener",
	"a datagram socket", "a datagram is read", "a pipe is taken over", "a look for the reader of a pipe", "a handler of a signal",
	"a process is started", "a pipe of a process", "a process is watched", "exit code", "signal to a process", "end of the loop"}

// An entry is one of a recording.
type entry struct {
	op   op
	id   uint64 // of the handle or the job
	arg  uint64 // what was asked
	n    int64  // what came of it
	data []byte // likewise
	err  error  // likewise
}

func (e entry) String() string {
	s := opNames[e.op]
	switch e.op {
	case opNow, opWall, opUntil, opChoose, opPoll, opPark, opEnd:
		return s
	case opWrite:
		return fmt.Sprintf("%s, handle %d, %d bytes (%08x)", s, e.id, e.arg>>32, uint32(e.arg))
	case opJob, opJobDone:
		return fmt.Sprintf("%s, number %d", s, e.id)
	case opDial, opListen:
		return fmt.Sprintf("%s, handle %d, address %08x", s, e.id, e.arg)
	}
	return fmt.Sprintf("%s, handle %d", s, e.id)
}

// same reports whether two entries ask the same.
func (e entry) same(o entry) bool { return e.op == o.op && e.id == o.id && e.arg == o.arg }

const recordingHead = "asyncio recording 2 "

// Flags of an entry.
const (
	withData = 1 << 6
	withErr  = 1 << 7
)

// writeEntry appends an entry.
func writeEntry(w *bufio.Writer, e entry) error {
	var p [40]byte
	b := append(p[:0], byte(e.op))
	if len(e.data) > 0 {
		b[0] |= withData
	}
	if e.err != nil {
		b[0] |= withErr
	}
	b = binary.AppendUvarint(b, e.id)
	b = binary.AppendUvarint(b, e.arg)
	b = binary.AppendVarint(b, e.n)
	_, err := w.Write(b)
	if len(e.data) > 0 {
		err = errors.Join(err, writeBytes(w, e.data))
	}
	if e.err != nil {
		text, _ := encodeError(e.err)
		err = errors.Join(err, writeBytes(w, []byte(text)))
	}
	return err
}

func writeBytes(w *bufio.Writer, p []byte) error {
	_, err := w.Write(binary.AppendUvarint(w.AvailableBuffer(), uint64(len(p))))
	if err == nil {
		_, err = w.Write(p)
	}
	return err
}

// maxEntry bounds what one entry of a file may have.
const maxEntry = 1 << 30

// readEntry reads an entry. One that is cut off is the end: io.EOF.
func readEntry(r *bufio.Reader) (e entry, err error) {
	defer func() {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = io.EOF
		}
	}()
	first, err := r.ReadByte()
	if err != nil {
		return e, err
	}
	if e.op = op(first &^ (withData | withErr)); e.op >= numOps {
		return e, fmt.Errorf("sim: a recording has an entry of kind %d", e.op)
	}
	if e.id, err = binary.ReadUvarint(r); err == nil {
		if e.arg, err = binary.ReadUvarint(r); err == nil {
			e.n, err = binary.ReadVarint(r)
		}
	}
	if err == nil && first&withData != 0 {
		e.data, err = readBytes(r)
	}
	if err == nil && first&withErr != 0 {
		var text []byte
		if text, err = readBytes(r); err == nil {
			e.err = decodeError(string(text))
		}
	}
	return e, err
}

func readBytes(r *bufio.Reader) ([]byte, error) {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	if n > maxEntry {
		return nil, fmt.Errorf("sim: a recording has an entry of %d bytes", n)
	}
	var b strings.Builder // it may say more than there is
	if k, err := io.CopyN(&b, r, int64(n)); err != nil {
		return nil, fmt.Errorf("%d bytes of %d: %w", k, n, io.ErrUnexpectedEOF)
	}
	return []byte(b.String()), nil
}

// openRecording opens a file and reads its head.
func openRecording(name string) (*os.File, *bufio.Reader, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, fmt.Errorf("sim: replay: %w", err)
	}
	r := bufio.NewReader(f)
	head, err := r.ReadString('\n')
	system, ok := strings.CutPrefix(strings.TrimSpace(head), strings.TrimSpace(recordingHead))
	switch {
	case err != nil || !ok:
		err = fmt.Errorf("sim: replay: %s is no recording", name)
	case strings.TrimSpace(system) != runtime.GOOS:
		err = fmt.Errorf("sim: replay: %s was made on %s, and this is %s", name, strings.TrimSpace(system), runtime.GOOS)
	default:
		return f, r, nil
	}
	return nil, nil, errors.Join(err, f.Close())
}

// The errors that are themselves again in a replay, by what stands for them.
var plainErrors = map[string]error{
	"eof": io.EOF, "block": driver.ErrWouldBlock, "closed": net.ErrClosed, "inuse": driver.ErrInUse,
	"ended": os.ErrProcessDone, "no program": exec.ErrNotFound, "no pipe": errNoPipe,
}

// encodeError returns what stands for an error, and whether what is made of that
// again is the same to a program.
func encodeError(err error) (text string, whole bool) {
	for word, plain := range plainErrors {
		if err == plain {
			return word, true
		}
	}
	var call *os.SyscallError
	var dns *net.DNSError
	var path *fs.PathError
	var program *exec.Error
	switch number, ok := err.(syscall.Errno); {
	case ok:
		return fmt.Sprintf("errno %d", uint(number)), true
	case errors.As(err, &call) && err == error(call):
		if number, ok := call.Err.(syscall.Errno); ok {
			return fmt.Sprintf("call %d %s", uint(number), call.Syscall), true
		}
	case errors.As(err, &path) && err == error(path):
		cause, whole := encodeError(path.Err)
		return encodeWords("path", cause, path.Op, path.Path), whole
	case errors.As(err, &program) && err == error(program):
		cause, whole := encodeError(program.Err)
		return encodeWords("program", cause, program.Name), whole
	case errors.As(err, &dns) && err == error(dns) && dns.UnwrapErr == nil:
		if p, e := json.Marshal(dns); e == nil {
			return "dns " + string(p), true
		}
	}
	return "text " + err.Error(), false
}

// encodeWords returns what stands for an error that has words and a cause.
func encodeWords(kind, cause string, words ...string) string {
	p, err := json.Marshal(append([]string{cause}, words...))
	if err != nil {
		panic(err) // there are only strings
	}
	return kind + " " + string(p)
}

// decodeError makes an error of what stands for it.
func decodeError(text string) error {
	if plain := plainErrors[text]; plain != nil {
		return plain
	}
	word, rest, _ := strings.Cut(text, " ")
	switch word {
	case "errno":
		if n, err := strconv.ParseUint(rest, 10, 32); err == nil {
			return syscall.Errno(n)
		}
	case "call":
		number, call, _ := strings.Cut(rest, " ")
		if n, err := strconv.ParseUint(number, 10, 32); err == nil {
			return os.NewSyscallError(call, syscall.Errno(n))
		}
	case "path", "program":
		var words []string
		switch err := json.Unmarshal([]byte(rest), &words); {
		case err == nil && word == "path" && len(words) == 3:
			return &fs.PathError{Op: words[1], Path: words[2], Err: decodeError(words[0])}
		case err == nil && word == "program" && len(words) == 2:
			return &exec.Error{Name: words[1], Err: decodeError(words[0])}
		}
	case "dns":
		dns := new(net.DNSError)
		if json.Unmarshal([]byte(rest), dns) == nil {
			return dns
		}
	}
	return errors.New(rest)
}
