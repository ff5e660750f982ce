//go:build !linux

package asyncio

import (
	"errors"
	"net"
	"os"
)

// Nothing here is reached: no driver of these systems watches descriptors.

var errBacklogFull = errors.New("the listener's backlog is full")

func sockRecv(uintptr, []byte, bool) (int, net.Addr, error)   { return 0, nil, errors.ErrUnsupported }
func sockSend(uintptr, []byte) (int, error)                   { return 0, errors.ErrUnsupported }
func sockSendto(uintptr, []byte, net.Addr) error              { return errors.ErrUnsupported }
func sockConnect(uintptr, net.Addr) error                     { return errors.ErrUnsupported }
func sockConnected(uintptr) error                             { return errors.ErrUnsupported }
func sockSendfile(uintptr, *os.File, int64, int) (int, error) { return 0, errors.ErrUnsupported }
func sockAccept(uintptr) (Socket, error)                      { return nil, errors.ErrUnsupported }
