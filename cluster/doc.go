// Package cluster shares work among machines: an executor over NATS, whose futures
// are those of the loop.
//
// Functions are registered by [asyncio.RegisterWorker], as for the process pool of one
// machine, in a program that both sides have:
//
//	var thumbnail = asyncio.RegisterWorker("thumbnail", makeThumbnail)
//
// A worker program calls [Serve], on any number of machines. A client connects and
// submits:
//
//	c, err := cluster.Connect(ctx, "nats://127.0.0.1:4222")
//	...
//	defer c.Close(ctx)
//	f, err := cluster.Submit(ctx, c, thumbnail, picture)
//
// What [Submit] returns is a future like any other: [asyncio.Gather],
// [asyncio.Timeout] and [asyncio.AsCompleted] take it, and cancelling it reaches the
// job where it runs. [Map] and [MapAsCompleted] submit many.
//
// The command asyncio-node starts a NATS server and workers in one.
//
// # What is promised
//
// A job whose [Submit] has returned is run at least once while its client lives, and
// its future gets one result. A worker that is killed loses nothing: after
// [WithLease] others run its jobs. A job may so be run twice, and one whose worker was
// only held up may run in two places at a time. The results of jobs with [WithKey] are
// stored, and each key has one.
//
// A job's result goes to its client directly. When it is lost on the way, with a
// connection or a server, the client finds out within seconds and submits the job
// again. When the client itself dies, its jobs are run all the same and their results
// dropped, but for those with keys.
//
// With memory as its store a NATS server that ends forgets all jobs; clients that are
// there submit theirs again. [WithFileStore] keeps them; NATS syncs its files every
// two minutes, so a machine that loses its power may lose what came last.
// [WithReplicas] has several servers keep them.
package cluster
