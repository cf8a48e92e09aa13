package emit

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/vigil-gateway/vigil/gateway/emit/spool"
	"github.com/vigil-gateway/vigil/schemas/cloudevent"
)

// openSpool opens the spool of the configuration and lists the lives in it; lanes
// is how many there are of all.
func (e *Emitter) openSpool(o Options) (lanes uint32, err error) {
	lanes = o.Lanes.Count
	e.lives = map[uint64]*life{o.Epoch: {epoch: o.Epoch}}
	e.life = e.lives[o.Epoch]
	if o.Config.Spool.Dir == "" {
		return lanes, nil
	}
	disk, err := spool.NewFolder(o.Config.Spool.Dir)
	if err != nil {
		return 0, err //nolint:wrapcheck // Names the folder.
	}
	e.spool, err = spool.Open(spool.Options{
		Config: o.Config.Spool, Disk: disk, Gateway: o.Gateway, Epoch: o.Epoch, Lanes: int(o.Lanes.Count), Boot: boot(), Evict: e.evict,
		Logger: o.Logger, Meter: o.Meter, Stream: "requests", Now: o.Now,
	})
	if err != nil {
		return 0, err //nolint:wrapcheck // Names its package.
	}
	for _, left := range e.spool.Past() {
		e.lives[left.Epoch] = &life{epoch: left.Epoch, left: left}
		for _, lane := range left.Lanes {
			lanes = max(lanes, lane.Lane+1)
		}
	}
	return lanes, nil
}

// bootFile names the run of the machine, on Linux.
const bootFile = "/proc/sys/kernel/random/boot_id"

// boot names the run of the machine, or is empty where the system does not say:
// then a loss of power is taken for the end of the process.
func boot() string {
	b, err := os.ReadFile(bootFile)
	if err != nil {
		return ""
	}
	return string(b)
}

// runSpool runs the spools until ctx ends, where there are some.
func (e *Emitter) runSpool(ctx context.Context, work *sync.WaitGroup) {
	e.receipts.run(ctx, work)
	if e.spool != nil {
		work.Go(func() { e.spool.Run(ctx) })
	}
}

// Close gives the spools back, for an emitter that is not run.
func (e *Emitter) Close() error {
	err := e.receipts.close()
	if e.spool != nil {
		err = errors.Join(err, e.spool.Close())
	}
	return err
}

// keep puts a record into the spool where there is one and it has room.
func (e *Emitter) keep(r *record, care Care) {
	if e.spool == nil || care == BestEffort {
		return
	}
	var head [headBytesMax]byte
	b := r.appendHead(head[:0])
	r.ref, _ = e.spool.Append(spool.Record{Class: r.class, Tag: uint8(r.sort), Lane: r.lane, First: r.seq, Last: r.last}, b, r.key, r.value)
}

// headBytesMax is room for a record's head in all ordinary cases.
const headBytesMax = 192

// appendHead appends what a record has beside key and value:
//
//	sort 1 | session 1 | ce_time 8 | queued 8 | id | traceparent | key's length 2
//
// The texts are a byte for their length and themselves.
func (r *record) appendHead(b []byte) []byte {
	session := byte(0)
	if r.typ == cloudevent.TypeSession {
		session = 1
	}
	b = append(b, byte(r.sort), session)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.time.UnixNano()))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.queued.UnixNano()))
	for _, s := range []string{r.id, r.traceparent} {
		s = s[:min(len(s), headTextMax)]
		b = append(append(b, byte(len(s))), s...)
	}
	return binary.LittleEndian.AppendUint16(b, uint16(len(r.key)))
}

var errHead = errors.New("record of the spool has no head")

// readHead reads what appendHead and the parts behind it have put into b.
func (r *record) readHead(b []byte) error {
	if len(b) < headFixedBytes {
		return errHead
	}
	r.sort, r.typ = sort(b[0]), cloudevent.TypeRequest
	if b[1] == 1 {
		r.typ = cloudevent.TypeSession
	}
	r.time = time.Unix(0, int64(binary.LittleEndian.Uint64(b[2:]))).UTC()
	r.queued = time.Unix(0, int64(binary.LittleEndian.Uint64(b[10:])))
	b = b[headFixedBytes:]
	for _, s := range []*string{&r.id, &r.traceparent} {
		if len(b) < 1 || len(b) < 1+int(b[0]) {
			return errHead
		}
		*s = string(b[1 : 1+b[0]])
		b = b[1+int(b[0]):]
	}
	if len(b) < 2 {
		return errHead
	}
	n := int(binary.LittleEndian.Uint16(b))
	b = b[2:]
	if len(b) < n || r.sort > sortEnforcement {
		return errHead
	}
	r.key, r.value = b[:n:n], b[n:]
	r.weigh()
	return nil
}

// headTextMax is how long the texts of a head may be.
const headTextMax = 255

// headFixedBytes is what stands before them.
const headFixedBytes = 18

// load reads a record from the spool. Where the disk does not hold it any more,
// it is the tombstone of its numbers.
func (e *Emitter) load(lane uint32, ref spool.Ref) *record {
	r := &record{life: e.lives[ref.Epoch()], lane: lane, seq: ref.First, last: ref.Last(), ref: ref, buf: e.buffers.get(), class: spool.Vital}
	b, err := ref.Read((*r.buf)[:0])
	*r.buf = b
	if err == nil {
		err = r.readHead(b)
	}
	if err == nil {
		return r
	}
	e.buffers.put(r.buf)
	e.log.Error("event in the spool not read", "lane", lane, "seq", ref.First, "error", err)
	if sort(ref.Tag) == sortEvent {
		e.requests.drop(spool.ReasonDamaged, 1)
	}
	t := e.stand(lane, []spool.Ref{ref}, spool.ReasonDamaged)
	t.ref = ref
	return t
}

// stand is the tombstone of records that are in the spool no more.
func (e *Emitter) stand(lane uint32, run []spool.Ref, reason string) *record {
	t, err := e.tombstone(e.lives[run[0].Epoch()], lane, gap{run[0].First, run[len(run)-1].Last(), reason}, e.now())
	if err != nil { // Cannot be: every part of it is ours and short.
		e.log.Error("tombstone not written", "lane", lane, "error", err)
	}
	return t
}

// evict puts tombstones in the place of what the spool has given up.
func (e *Emitter) evict(gone func(spool.Ref) bool, reason string) {
	for lane := range e.requests.lanes {
		e.requests.queue.replace(lane, gone, func(run []spool.Ref) *record {
			for _, ref := range run {
				if sort(ref.Tag) == sortEvent {
					e.requests.drop(reason, 1)
				}
			}
			return e.stand(lane, run, reason)
		})
	}
}
