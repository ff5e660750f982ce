package browsertest

import (
	"bufio"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
)

// A socket is the client's side of a WebSocket, as far as a browser's debugging protocol
// needs it: messages of text, not packed.
type socket struct {
	conn net.Conn
	r    *bufio.Reader
	mu   sync.Mutex // of writes
}

func dialSocket(address string) (*socket, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		return nil, err
	}
	var key [16]byte
	_, _ = rand.Read(key[:]) // it never fails
	req := &http.Request{Method: "GET", URL: u, Host: u.Host, Header: http.Header{
		"Upgrade": {"websocket"}, "Connection": {"Upgrade"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {base64.StdEncoding.EncodeToString(key[:])},
	}}
	s := &socket{conn: conn, r: bufio.NewReaderSize(conn, 1<<16)}
	err = req.Write(conn)
	if err == nil {
		var resp *http.Response
		if resp, err = http.ReadResponse(s.r, req); err == nil && resp.StatusCode != http.StatusSwitchingProtocols {
			err = fmt.Errorf("%s is no WebSocket: %s", address, resp.Status)
		}
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return s, nil
}

const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
)

// write sends a message as one frame. A client's frames are masked.
func (s *socket) write(op byte, message []byte) error {
	frame := []byte{0x80 | op}
	switch n := len(message); {
	case n < 126:
		frame = append(frame, 0x80|byte(n))
	case n < 1<<16:
		frame = binary.BigEndian.AppendUint16(append(frame, 0x80|126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 0x80|127), uint64(n))
	}
	var mask [4]byte
	_, _ = rand.Read(mask[:])
	frame = append(frame, mask[:]...)
	for i, b := range message {
		frame = append(frame, b^mask[i%4])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.conn.Write(frame)
	return err
}

// maxMessage is the longest message that is read: a picture is the longest.
const maxMessage = 64 << 20

// read returns the next message.
func (s *socket) read() (message []byte, err error) {
	for {
		var head [2]byte
		if _, err := io.ReadFull(s.r, head[:]); err != nil {
			return nil, err
		}
		n := uint64(head[1] & 0x7f)
		switch n {
		case 126:
			var b [2]byte
			_, err = io.ReadFull(s.r, b[:])
			n = uint64(binary.BigEndian.Uint16(b[:]))
		case 127:
			var b [8]byte
			_, err = io.ReadFull(s.r, b[:])
			n = binary.BigEndian.Uint64(b[:])
		}
		if err != nil {
			return nil, err
		}
		if n > maxMessage || uint64(len(message))+n > maxMessage {
			return nil, errors.New("the message is too long")
		}
		part := make([]byte, n)
		if _, err := io.ReadFull(s.r, part); err != nil {
			return nil, err
		}
		switch head[0] & 0x0f {
		case opClose:
			return nil, io.EOF
		case opPing:
			if err := s.write(opPong, part); err != nil {
				return nil, err
			}
		case opPong:
		default:
			message = append(message, part...)
			if head[0]&0x80 != 0 {
				return message, nil
			}
		}
	}
}
