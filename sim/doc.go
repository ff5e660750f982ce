// Package sim runs whole systems of asyncio programs, clients, servers and clusters,
// in a simulated world: machines, a network and clocks, in one goroutine. All that is
// left to chance there comes from a seed. So a failure that was found once is found
// again, in the same way, for as long as it takes to understand it.
//
// The programs are the ones that run in the real world, line for line: they dial,
// listen, sleep and look names up as always.
//
//	func TestTransfer(t *testing.T) {
//		sim.Test(t, func(w *sim.World) {
//			server, client := w.Host("server"), w.Host("client")
//			server.Serve(serve)
//			client.Go(transfer)
//			w.At(50*time.Millisecond, server.Crash)
//			w.At(2*time.Second, server.Restart)
//		})
//	}
//
// What is simulated: TCP, UDP, unix sockets, names, executors, files by package
// asyncfile, signals, processes, crashes, pauses and clocks. What is not: what a program
// asks package os or net for, and goroutines of its own, see [Test]. docs/simulation.md
// shows how a bug is found.
package sim
