package etcd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// late is a store behind a queue, and a second store connected directly to the same
// server.
type late struct {
	testing.TB
	*Store
	direct *Store
	queue  *etcdtest.Queue
}

func newLate(t testing.TB, options ...etcdtest.Option) *late {
	t.Helper()
	q := &etcdtest.Queue{}
	server := etcdtest.Start(t, append(options, q.Option())...)
	return &late{
		TB: t, queue: q,
		Store:  open(t, Config{Endpoints: server.URLs(), Timeout: 20 * time.Second, Attempt: 300 * time.Millisecond}),
		direct: open(t, Config{Endpoints: server.URLs(), Timeout: time.Minute, Attempt: time.Minute}),
	}
}

// creation returns a transaction that creates a key, with a once key made of id.
func creation(id, key string) store.Txn {
	return store.Txn{
		Once: "/journal/" + id, Void: []byte("void " + id),
		Guards: []store.Guard{{Key: key}},
		Writes: []store.Write{put("/journal/"+id, "record "+id), put(key, id)},
	}
}

// value returns the value of a key; empty if it is absent.
func (l *late) value(key string) string {
	l.Helper()
	snap, err := l.direct.Read(l.Context(), key)
	if err != nil {
		l.Fatal(err)
	}
	if len(snap.Entries) == 0 {
		return ""
	}
	return string(snap.Entries[0].Value)
}

func (l *late) must(txn store.Txn) {
	l.Helper()
	if _, err := l.direct.Commit(l.Context(), txn); err != nil {
		l.Fatal(err)
	}
}

// TestConflictIsFinal delays a commit, lets its second attempt conflict, and removes
// the conflicting key: the first attempt arrives when all its guards hold, and must
// do nothing.
func TestConflictIsFinal(t *testing.T) {
	t.Parallel()
	l := newLate(t)
	l.must(store.Txn{Writes: []store.Write{put("/h9", "theirs")}})
	l.queue.Next(etcdtest.Hold)
	_, err := l.Commit(t.Context(), creation("1", "/h9"))
	var conflict *store.ConflictError
	if !errors.As(err, &conflict) || !conflict.Spent || len(conflict.Failed) != 1 || errors.As(err, new(*store.UnknownError)) {
		t.Fatalf("the second attempt: %T %v", err, err)
	}
	l.must(store.Txn{Writes: []store.Write{{Key: "/h9", Delete: true}}})
	if n := l.queue.Deliver(); n != 1 {
		t.Fatalf("%d requests were held back", n)
	}
	if got := l.value("/h9"); got != "" {
		t.Errorf("it was made after all: %q", got)
	}
	r, err := l.Commit(t.Context(), creation("1", "/h9"))
	if err != nil || string(r.Stored) != "void 1" {
		t.Errorf("the same again: %q, %v", r.Stored, err)
	}
	if r, err = l.Commit(t.Context(), creation("2", "/h9")); err != nil || string(r.Stored) != "record 2" || l.value("/h9") != "2" {
		t.Errorf("under another key: %q, %v", r.Stored, err)
	}
}

// TestConflictWithoutDoubt checks that a conflict leaves no void value: the once key
// can be used again.
func TestConflictWithoutDoubt(t *testing.T) {
	t.Parallel()
	l := newLate(t)
	l.must(store.Txn{Writes: []store.Write{put("/h9", "theirs")}})
	var conflict *store.ConflictError
	if _, err := l.Commit(t.Context(), creation("1", "/h9")); !errors.As(err, &conflict) || conflict.Spent {
		t.Fatalf("%T %v", err, err)
	}
	if got := l.value("/journal/1"); got != "" {
		t.Errorf("the once key holds %q", got)
	}
}

// TestConflictForGood delays a commit whose key never returns to the guarded
// revision: no void value is needed.
func TestConflictForGood(t *testing.T) {
	t.Parallel()
	l := newLate(t)
	l.must(store.Txn{Writes: []store.Write{put("/h9", "1")}})
	read, err := l.direct.Read(t.Context(), "/h9")
	if err != nil {
		t.Fatal(err)
	}
	l.must(store.Txn{Writes: []store.Write{put("/h9", "2")}})
	txn := creation("1", "/h9")
	txn.Guards[0].Revision = read.Revision
	l.queue.Next(etcdtest.Hold)
	var conflict *store.ConflictError
	if _, err := l.Commit(t.Context(), txn); !errors.As(err, &conflict) || conflict.Spent || errors.As(err, new(*store.UnknownError)) {
		t.Errorf("%T %v", err, err)
	}
	if l.queue.Deliver() != 1 || l.value("/h9") != "2" || l.value("/journal/1") != "" {
		t.Errorf("%q is stored, and %q", l.value("/h9"), l.value("/journal/1"))
	}
}

// TestConflictInDoubt checks that the outcome is unknown if there is no void value or
// it cannot be written.
func TestConflictInDoubt(t *testing.T) {
	t.Parallel()
	l := newLate(t)
	l.must(store.Txn{Writes: []store.Write{put("/h9", "theirs")}})
	txn := creation("1", "/h9")
	txn.Void = nil
	l.queue.Next(etcdtest.Hold)
	_, err := l.Commit(t.Context(), txn)
	var unknown *store.UnknownError
	if !errors.As(err, &unknown) || unknown.Once != txn.Once || errors.As(err, new(*store.ConflictError)) {
		t.Errorf("without a void value: %T %v", err, err)
	}
	l.cfg.Timeout = time.Second * slowness
	l.queue.Next(etcdtest.Hold, etcdtest.Pass, etcdtest.Hold, etcdtest.Hold, etcdtest.Hold, etcdtest.Hold, etcdtest.Hold, etcdtest.Hold, etcdtest.Hold)
	_, err = l.Commit(t.Context(), creation("2", "/h9"))
	if !errors.As(err, &unknown) || unknown.Once != "/journal/2" || errors.As(err, new(*store.ConflictError)) {
		t.Errorf("with a void value that does not arrive: %T %v", err, err)
	}
}

// TestConflictAfterSuccess checks that a conflict with the commit's own first
// attempt, which got no answer, is a success.
func TestConflictAfterSuccess(t *testing.T) {
	t.Parallel()
	l := newLate(t)
	l.queue.Next(etcdtest.Mute)
	r, err := l.Commit(t.Context(), creation("1", "/h9"))
	if err != nil || string(r.Stored) != "record 1" || l.value("/h9") != "1" {
		t.Errorf("%q, %v", r.Stored, err)
	}
}

// TestDenialInDoubt delays a commit and revokes its user's permission before the
// second attempt. The outcome of the first attempt can no longer be read.
func TestDenialInDoubt(t *testing.T) {
	t.Parallel()
	q := &etcdtest.Queue{}
	server := etcdtest.Start(t, q.Option())
	server.Rights(t, nil, map[string][]string{"u": {"/"}})
	root, err := clientv3.New(clientv3.Config{Endpoints: server.URLs(), Username: "root", Password: etcdtest.Password, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	s := open(t, Config{Endpoints: server.URLs(), User: "u", Password: etcdtest.Password, Timeout: 20 * time.Second, Attempt: 300 * time.Millisecond})
	q.Next(etcdtest.Hold)
	q.Before(func() {
		if _, err := root.RoleRevokePermission(context.WithoutCancel(t.Context()), "u", "/", "0"); err != nil {
			t.Error(err)
		}
	})
	_, err = s.Commit(t.Context(), creation("1", "/h9"))
	if !errors.As(err, new(*store.UnknownError)) || errors.As(err, new(*store.DeniedError)) {
		t.Errorf("%T %v", err, err)
	}
}

// TestEveryErrorOfACommit makes a server answer with each of its errors although it
// has performed the transaction or performs it later. Commit may report that nothing
// was written only for errors that precede any effect, and those do not occur here.
func TestEveryErrorOfACommit(t *testing.T) {
	t.Parallel()
	l, answers := newErring(t)
	for i, reply := range serverErrors() {
		for _, fate := range []etcdtest.Fate{etcdtest.Mute, etcdtest.Hold} {
			id := fmt.Sprintf("%d-%d", i, fate)
			hasEnded := judge(rpctypes.Error(reply), &endpoint{}, true, true) == ended
			if notPerformed(rpctypes.Error(reply)) || hasEnded && fate == etcdtest.Hold {
				continue // no server does this
			}
			answers.next(reply, fate)
			r, err := l.Commit(t.Context(), creation(id, "/"+id))
			promised := err != nil && !errors.As(err, new(*store.UnknownError))
			answers.deliver(t)
			switch got := l.value("/" + id); {
			case err == nil && (got != id || string(r.Stored) != "record "+id):
				t.Errorf("%v, fate %d: success, but %q is stored", reply, fate, got)
			case promised && got != "":
				t.Errorf("%v, fate %d: %v, but it was made", reply, fate, err)
			case fate == etcdtest.Mute && err != nil:
				t.Errorf("%v, performed: %v", reply, err)
			}
		}
	}
}

// TestErrorsBeforeAnything checks the errors that prove that nothing was written:
// Commit returns them immediately or retries, and the outcome is never unknown.
func TestErrorsBeforeAnything(t *testing.T) {
	t.Parallel()
	proven := 0
	for _, reply := range serverErrors() {
		if !notPerformed(rpctypes.Error(reply)) {
			continue
		}
		proven++
		if v := judge(rpctypes.Error(reply), &endpoint{}, true, true); v != refused && v != denied && v != retry {
			t.Errorf("%v: verdict %d", reply, v)
		}
	}
	if want := 13; proven != want {
		t.Errorf("%d errors prove it, want %d", proven, want)
	}
	if v := judge(rpctypes.ErrNoSpace, &endpoint{}, true, false); v != refused {
		t.Errorf("no space, of a read: verdict %d", v)
	}
}

// serverErrors returns all errors with which a server may answer a transaction, and
// some that it does not use.
func serverErrors() []error {
	all := []error{
		rpctypes.ErrGRPCEmptyKey, rpctypes.ErrGRPCKeyNotFound, rpctypes.ErrGRPCTooManyOps, rpctypes.ErrGRPCDuplicateKey,
		rpctypes.ErrGRPCCompacted, rpctypes.ErrGRPCFutureRev, rpctypes.ErrGRPCNoSpace, rpctypes.ErrGRPCLeaseNotFound,
		rpctypes.ErrGRPCMemberNotFound, rpctypes.ErrGRPCRequestTooLarge, rpctypes.ErrGRPCRequestTooManyRequests,
		rpctypes.ErrGRPCUserEmpty, rpctypes.ErrGRPCUserNotFound, rpctypes.ErrGRPCRoleNotFound, rpctypes.ErrGRPCAuthFailed,
		rpctypes.ErrGRPCPermissionDenied, rpctypes.ErrGRPCAuthNotEnabled, rpctypes.ErrGRPCInvalidAuthToken,
		rpctypes.ErrGRPCInvalidAuthMgmt, rpctypes.ErrGRPCAuthOldRevision, rpctypes.ErrGRPCNoLeader, rpctypes.ErrGRPCNotLeader,
		rpctypes.ErrGRPCLeaderChanged, rpctypes.ErrGRPCNotCapable, rpctypes.ErrGRPCStopped, rpctypes.ErrGRPCTimeout,
		rpctypes.ErrGRPCTimeoutDueToLeaderFail, rpctypes.ErrGRPCTimeoutDueToConnectionLost,
		rpctypes.ErrGRPCTimeoutWaitAppliedIndex, rpctypes.ErrGRPCUnhealthy, rpctypes.ErrGRPCCorrupt,
		rpctypes.ErrGRPCNotSupportedForLearner, rpctypes.ErrGRPCCanceled, rpctypes.ErrGRPCDeadlineExceeded,
		status.Error(codes.Unknown, "raft proposal dropped"), status.Error(codes.Unknown, "raft: stopped"),
		status.Error(codes.Unimplemented, "unknown service etcdserverpb.KV"),
	}
	for _, c := range []codes.Code{
		codes.Canceled, codes.Unknown, codes.InvalidArgument, codes.DeadlineExceeded, codes.NotFound, codes.AlreadyExists,
		codes.PermissionDenied, codes.ResourceExhausted, codes.FailedPrecondition, codes.Aborted, codes.OutOfRange,
		codes.Internal, codes.Unavailable, codes.DataLoss, codes.Unauthenticated,
	} {
		all = append(all, status.Error(c, "somebody in between"))
	}
	return all
}

// erring answers the next transaction with an error, and passes the following ones.
type erring struct {
	mu    sync.Mutex
	reply error
	fate  etcdtest.Fate // Mute performs the transaction first, Hold keeps it for deliver
	kept  func() error
}

func newErring(t *testing.T) (*late, *erring) {
	t.Helper()
	a := &erring{}
	l := newLate(t, func(cfg *embed.Config) {
		cfg.GRPCAdditionalServerOptions = append(cfg.GRPCAdditionalServerOptions, grpc.ChainUnaryInterceptor(a.answer))
	})
	return l, a
}

func (a *erring) next(reply error, fate etcdtest.Fate) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reply, a.fate = reply, fate
}

func (a *erring) answer(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	a.mu.Lock()
	reply := a.reply
	if info.FullMethod != "/etcdserverpb.KV/Txn" || reply == nil {
		a.mu.Unlock()
		return next(ctx, req)
	}
	defer a.mu.Unlock()
	a.reply = nil
	perform := func() error {
		_, err := next(context.WithoutCancel(ctx), req)
		return err
	}
	if a.fate == etcdtest.Hold {
		a.kept = perform
	} else if err := perform(); err != nil {
		return nil, err
	}
	return nil, reply
}

// deliver performs the transaction that was kept.
func (a *erring) deliver(t *testing.T) {
	t.Helper()
	a.mu.Lock()
	kept := a.kept
	a.kept = nil
	a.mu.Unlock()
	if kept == nil {
		return
	}
	if err := kept(); err != nil {
		t.Error(err)
	}
}

// TestFullStoreHasWritten makes many concurrent commits exceed the quota of a real
// server, which performs those that it has accepted and answers that there is no
// space. A commit that reports that nothing was written must have written nothing.
func TestFullStoreHasWritten(t *testing.T) {
	t.Parallel()
	const commits, servers = 40, 20
	for range servers {
		var performed atomic.Int64 // although there was no space
		server := etcdtest.Start(t, etcdtest.Quota(512<<10), func(cfg *embed.Config) {
			cfg.BackendBatchLimit = 1 // the size is that of the last transaction
		})
		s := open(t, Config{Endpoints: server.URLs(), Timeout: 20 * time.Second * slowness, Attempt: 20 * time.Second * slowness, Debug: func(string, ...any) {}})
		if _, err := s.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
		size := make([]byte, 32<<10)
		for i := range size {
			size[i] = byte(rand.Uint32())
		}
		errs := make([]error, commits)
		var wg sync.WaitGroup
		for i := range commits {
			wg.Go(func() {
				txn := creation(fmt.Sprint(i), fmt.Sprintf("/k/%d", i))
				txn.Writes = append(txn.Writes, put(fmt.Sprintf("/size/%d", i), string(size)))
				_, errs[i] = s.Commit(t.Context(), txn)
			})
		}
		wg.Wait()
		snap, err := s.Read(t.Context(), "/journal/")
		if err != nil {
			t.Fatal(err)
		}
		there := map[string]bool{}
		for _, e := range snap.Entries {
			there[e.Key] = true
		}
		for i, err := range errs {
			switch made := there[fmt.Sprintf("/journal/%d", i)]; {
			case made != (err == nil):
				t.Errorf("%d: made: %v, error %v", i, made, err)
			case err != nil && !errors.As(err, new(*store.UnavailableError)):
				t.Errorf("%d: %T %v", i, err, err)
			}
		}
		for _, e := range server.Ended(rpctypes.ErrNoSpace) {
			if there[e] {
				performed.Add(1)
			}
		}
		if performed.Load() > 0 || t.Failed() {
			return
		}
	}
	t.Errorf("no server has performed a transaction beyond its quota")
}

// TestFullStoreInDoubt checks that the outcome of an earlier attempt is unknown when
// the store is full, because it accepts no void value.
func TestFullStoreInDoubt(t *testing.T) {
	t.Parallel()
	l := newLate(t, etcdtest.Quota(256<<10))
	l.queue.Next(etcdtest.Hold)
	l.queue.Before(func() {
		for _, size := range []int{64 << 10, 0} { // small writes are refused a moment after large ones
			var err error
			for i := 0; err == nil && i < 1000; i++ { // the size is measured now and then
				key := fmt.Sprintf("/%d/%d", size, i)
				_, err = l.direct.Commit(context.WithoutCancel(t.Context()), store.Txn{Once: key, Writes: []store.Write{put(key, string(make([]byte, size)))}})
			}
			if !errors.As(err, new(*store.UnavailableError)) {
				t.Errorf("filling the store: %T %v", err, err)
			}
		}
	})
	_, err := l.Commit(t.Context(), creation("1", "/h9"))
	if !errors.As(err, new(*store.UnknownError)) || errors.As(err, new(*store.UnavailableError)) {
		t.Errorf("%T %v", err, err)
	}
	if _, err := l.Commit(t.Context(), creation("2", "/h8")); !errors.As(err, new(*store.UnavailableError)) {
		t.Errorf("without a doubt: %T %v", err, err)
	}
}
