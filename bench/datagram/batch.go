package main

import (
	"net"

	"github.com/asyncio-go/asyncio"
)

func init() { blasts["batch"] = blastBatch }

func blastBatch(to *net.UDPAddr, p []byte, count int) error {
	batch := make([]asyncio.Datagram, sendAtOnce)
	for i := range batch {
		batch[i].Data = p
	}
	return sendTurns(to, count, func(tr asyncio.DatagramTransport) (int, error) { return tr.SendBatch(batch) })
}
