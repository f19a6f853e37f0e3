package etcd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/conftool/confctl/internal/netcause"
)

// cause is an error with a text of this package.
type cause struct {
	text string
	err  error // the underlying error
}

func (c *cause) Error() string { return c.text }
func (c *cause) Unwrap() error { return c.err }

func causef(err error, format string, args ...any) error {
	return &cause{fmt.Sprintf(format, args...), err}
}

func noAnswer(within time.Duration) error {
	return causef(context.DeadlineExceeded, "no answer within %v", within)
}

// connectionCause returns a short cause of a failed connection.
func connectionCause(err error, ca string) error {
	if netcause.Alert(err) != "" {
		return handshakeCause(err, ca)
	}
	if why := netcause.Network(err); why != "" {
		return causef(err, "%s", why)
	}
	return err
}

// handshakeCause returns a short cause of a failed TLS handshake.
func handshakeCause(err error, ca string) error {
	if ca == "" {
		ca = "the system's"
	}
	var (
		unknown x509.UnknownAuthorityError
		record  tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &unknown):
		return causef(err, "certificate signed by unknown authority (ca_cert %s)", ca)
	case netcause.Certificate(err) != "":
		return causef(err, "%s", netcause.Certificate(err))
	case errors.As(err, &record):
		return causef(err, "%s", wantsHTTP)
	case netcause.WantsCertificate(err):
		return causef(err, "the server wants a client certificate that it accepts (cert, key)")
	case netcause.Alert(err) != "":
		return causef(err, "refused by the server: %s", netcause.Alert(err))
	case isClosed(err):
		return causef(err, "connection closed during the TLS handshake")
	case errors.Is(err, context.DeadlineExceeded):
		return causef(err, "no answer")
	}
	return causef(err, "TLS failed: %s", strings.TrimPrefix(strings.TrimPrefix(err.Error(), "tls: "), "x509: "))
}

// verdict is the consequence of a failed attempt for its request.
type verdict int

const (
	done        verdict = iota
	refused             // it was not performed, and every server would refuse it
	denied              // it was not performed: the user lacks a permission
	retry               // it was not performed; another server may perform it, or this one later
	unreachable         // it was not performed: no endpoint could be reached
	ended               // it has ended: it was performed, or never will be
	lost                // it may have been performed, or may still be
)

// judge returns the verdict on the error of an attempt. If the attempt was sent and
// writes, only notPerformed proves that nothing was written.
func judge(err error, at *endpoint, sent, writes bool) verdict {
	if err == nil {
		return done
	}
	if writes && sent && !notPerformed(err) {
		if isAny(err, rpctypes.ErrNoSpace, rpctypes.ErrCorrupt) {
			return ended
		}
		return lost
	}
	switch {
	case isAny(err, rpctypes.ErrPermissionDenied, rpctypes.ErrAuthFailed, rpctypes.ErrUserEmpty):
		return denied
	case isAny(err, rpctypes.ErrInvalidAuthToken, rpctypes.ErrAuthOldRevision):
		return retry // the next session logs in
	case isAny(err, rpctypes.ErrNoLeader, rpctypes.ErrTooManyRequests, rpctypes.ErrNotCapable, rpctypes.ErrNotLeader) ||
		isForLearner(err):
		return retry
	case isAny(err, rpctypes.ErrNoSpace, rpctypes.ErrCorrupt) || tooLarge(err):
		return refused
	}
	switch code(err) {
	case codes.Unimplemented, codes.InvalidArgument, codes.OutOfRange, codes.FailedPrecondition, codes.NotFound, codes.Unauthenticated:
		return refused
	}
	switch {
	case sent:
		return lost
	case at == nil && !errors.Is(err, context.DeadlineExceeded): // otherwise it may have been sent
		return unreachable
	}
	return retry
}

// notPerformed reports whether an error proves that the transaction was not performed
// and will not be. The list applies to servers 3.4 to 3.7, and follows from what they
// check before a transaction is proposed to the cluster and when it is applied. It
// assumes that an attempt is one request: nothing between here and the server repeats
// requests.
//
// Any other error proves nothing. These are above all the errors of a server that has
// proposed a transaction and does not learn the outcome: request timed out in its
// variants, request cancelled, server stopped, leader changed, the deadline, and any
// error made by a proxy or a library. Two more belong to a transaction that has
// ended, so that a read shows its outcome:
//
//   - NoSpace: the server checks the quota before the proposal, where nothing has
//     happened. It also checks it when the transaction is applied
//     (quotaApplierV3.Txn), where it performs the transaction and returns the
//     error nevertheless. The two errors are the same.
//   - Corrupt: with that alarm no member performs anything (applierV3Corrupt). The
//     members contradict each other, so the outcome is read nevertheless.
func notPerformed(err error) bool {
	switch {
	case isAny(err, rpctypes.ErrNotCapable, rpctypes.ErrNoLeader) || isForLearner(err):
		// newUnaryInterceptor, before the request has a handler. No leader is also
		// an error of leases and streams, but not of a transaction.
	case isAny(err, rpctypes.ErrEmptyKey, rpctypes.ErrTooManyOps, rpctypes.ErrDuplicateKey):
		// kvServer.Txn checks the form of a transaction before all else.
	case isAny(err, rpctypes.ErrTooManyRequests, rpctypes.ErrInvalidAuthToken, rpctypes.ErrRequestTooLarge):
		// processInternalRaftRequestOnce: the backlog, the user, and the size, in
		// this order, before the proposal.
	case isAny(err, rpctypes.ErrPermissionDenied, rpctypes.ErrUserEmpty, rpctypes.ErrAuthOldRevision):
		// authApplierV3.Txn, when the transaction is applied, checks the whole of it
		// before it hands it on. All members apply it with the same result.
	case tooLarge(err):
		// The server's library has not even decoded it.
	case code(err) == codes.Unimplemented:
		// Nor has it found a handler: the server is not etcd.
	default:
		return false
	}
	return true
}

// isForLearner reports whether a learner, a member without a vote, has refused a
// request.
func isForLearner(err error) bool {
	return reason(err) == reason(rpctypes.ErrGRPCNotSupportedForLearner)
}

// code returns the status with which a server, or the library, ended a request.
func code(err error) codes.Code {
	var known rpctypes.EtcdError
	if errors.As(err, &known) {
		return known.Code()
	}
	return status.Code(err)
}

// tooLarge reports whether a server accepts no request as large as this one. If it is
// far too large, the server's library refuses it, which only the text of the error
// shows.
func tooLarge(err error) bool {
	return isAny(err, rpctypes.ErrRequestTooLarge, rpctypes.ErrTooManyOps) ||
		err != nil && strings.Contains(err.Error(), "received message larger than max")
}

// answerSize reports whether the library refused the answer to a request because of
// its size, and returns that size, or 0 if it is not known. Only the text of the
// error shows either.
func answerSize(err error) (size int, refused bool) {
	if err == nil || code(err) != codes.ResourceExhausted {
		return 0, false
	}
	_, text, refused := strings.Cut(err.Error(), "received message larger than max")
	if _, err := fmt.Sscanf(text, " (%d vs", &size); err != nil {
		size = 0
	}
	return size, refused
}

func isAny(err error, these ...error) bool {
	for _, e := range these {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// reason returns the server's error without the prefixes that libraries add.
func reason(err error) string {
	text := rpctypes.ErrorDesc(err)
	return strings.TrimPrefix(strings.TrimPrefix(text, "etcdserver: "), "mvcc: ")
}

// fromText returns the server's error inside an error that holds it only as text, as
// the library returns for a watch.
func fromText(err error) error {
	if err == nil {
		return nil
	}
	if _, desc, ok := strings.Cut(err.Error(), "desc = "); ok {
		err = causef(err, "%s", desc)
	}
	return rpctypes.Error(err)
}
