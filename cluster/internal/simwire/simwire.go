// Package simwire is what a simulated engine and those who use it in the same world say to
// each other: messages as NATS knows them, in an encoding that is always the same.
package simwire

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// An Op says what a frame is.
type Op string

// The kinds of frames.
const (
	Pub   Op = "pub" // to the engine: a message
	Sub   Op = "sub" // to the engine: Subject is listened to, as number ID
	Unsub Op = "unsub"
	Msg   Op = "msg" // to a client: a message for its number ID
	Ping  Op = "ping"
	Pong  Op = "pong"
)

// A Frame is what is sent at once.
type Frame struct {
	Op      Op                  `json:"op"`
	ID      uint64              `json:"id,omitempty"`
	Subject string              `json:"subject,omitempty"`
	Reply   string              `json:"reply,omitempty"`
	Header  map[string][]string `json:"header,omitempty"`
	Data    []byte              `json:"data,omitempty"`
}

// MaxFrame bounds the bytes of a frame.
const MaxFrame = 128 << 20

// Append appends a frame to p.
func Append(p []byte, f *Frame) []byte {
	b, err := json.Marshal(f)
	if err != nil {
		panic(err) // it is all strings and bytes
	}
	return append(binary.BigEndian.AppendUint32(p, uint32(len(b))), b...)
}

// Read reads a frame.
func Read(r io.Reader) (*Frame, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > MaxFrame {
		return nil, fmt.Errorf("a frame of %d bytes, %d are allowed", n, MaxFrame)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	f := new(Frame)
	if err := json.Unmarshal(b, f); err != nil {
		return nil, fmt.Errorf("a frame: %w", err)
	}
	return f, nil
}
