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

	"github.com/conftool/confctl/pkg/netcause"
)

// cause is an error in the words of this package.
type cause struct {
	text string
	err  error // what it was made of
}

func (c *cause) Error() string { return c.text }
func (c *cause) Unwrap() error { return c.err }

func saying(err error, format string, args ...any) error {
	return &cause{fmt.Sprintf(format, args...), err}
}

func noAnswer(within time.Duration) error {
	return saying(context.DeadlineExceeded, "no answer within %v", within)
}

// plainly says in few words why a connection failed.
func plainly(err error, ca string) error {
	if netcause.Alert(err) != "" {
		return distrust(err, ca)
	}
	if why := netcause.Network(err); why != "" {
		return saying(err, "%s", why)
	}
	return err
}

// distrust says why a TLS handshake failed.
func distrust(err error, ca string) error {
	if ca == "" {
		ca = "the system's"
	}
	var (
		unknown x509.UnknownAuthorityError
		record  tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &unknown):
		return saying(err, "certificate signed by unknown authority (ca_cert %s)", ca)
	case netcause.Certificate(err) != "":
		return saying(err, "%s", netcause.Certificate(err))
	case errors.As(err, &record):
		return saying(err, "%s", wantsHTTP)
	case netcause.WantsCertificate(err):
		return saying(err, "the server wants a client certificate that it accepts (cert, key)")
	case netcause.Alert(err) != "":
		return saying(err, "refused by the server: %s", netcause.Alert(err))
	case isClosed(err):
		return saying(err, "connection closed during the TLS handshake")
	case errors.Is(err, context.DeadlineExceeded):
		return saying(err, "no answer")
	}
	return saying(err, "TLS failed: %s", strings.TrimPrefix(strings.TrimPrefix(err.Error(), "tls: "), "x509: "))
}

// verdict is what the failure of an attempt means for the request.
type verdict int

const (
	done    verdict = iota
	refused         // it was not performed, and no server would: the error says why
	denied          // nor was it: the user may not
	again           // nor was it: another server may, or this one later
	nowhere         // nor was it: no endpoint could be reached
	ended           // it was performed, or was not and will not be
	lost            // it may have been performed, or may be yet
)

// judge reads the error of an attempt. Of one that was sent and writes, only
// what unperformed knows says that nothing was written.
func judge(err error, at *endpoint, sent, writes bool) verdict {
	if err == nil {
		return done
	}
	if writes && sent && !unperformed(err) {
		if isAny(err, rpctypes.ErrNoSpace, rpctypes.ErrCorrupt) {
			return ended
		}
		return lost
	}
	switch {
	case isAny(err, rpctypes.ErrPermissionDenied, rpctypes.ErrAuthFailed, rpctypes.ErrUserEmpty):
		return denied
	case isAny(err, rpctypes.ErrInvalidAuthToken, rpctypes.ErrAuthOldRevision):
		return again // the next session logs in again
	case isAny(err, rpctypes.ErrNoLeader, rpctypes.ErrTooManyRequests, rpctypes.ErrNotCapable, rpctypes.ErrNotLeader) ||
		isForLearner(err):
		return again
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
	case at == nil && !errors.Is(err, context.DeadlineExceeded): // else it might have been
		return nowhere
	}
	return again
}

// unperformed reports whether an error proves that the transaction it answers
// was not performed and will not be. The list is of servers 3.4 to 3.7, by what
// they do before a transaction is proposed to the cluster and when it is
// applied. It supposes that an attempt is one request: nothing between here and
// the server repeats requests.
//
// What is not in the list proves nothing. That are above all the errors of a
// server that has proposed and does not learn what came of it: request timed
// out in its variants, request cancelled, server stopped, leader changed, the
// deadline, and any that a proxy or a library made up. Two more are of a
// transaction that has come to its end, so that a read shows which:
//
//   - NoSpace: the quota is checked before the proposal, where nothing happens,
//     but when the transaction is applied, too, and there (quotaApplierV3.Txn)
//     it is performed first and the error returned all the same. The two look
//     the same.
//   - Corrupt: with that alarm no member performs anything (applierV3Corrupt),
//     but what members that contradict each other have done is better looked at.
func unperformed(err error) bool {
	switch {
	case isAny(err, rpctypes.ErrNotCapable, rpctypes.ErrNoLeader) || isForLearner(err):
		// newUnaryInterceptor, before the request has a handler. No leader is also
		// an error of leases and streams, but not of a transaction.
	case isAny(err, rpctypes.ErrEmptyKey, rpctypes.ErrTooManyOps, rpctypes.ErrDuplicateKey):
		// kvServer.Txn checks the form of a transaction before all else.
	case isAny(err, rpctypes.ErrTooManyRequests, rpctypes.ErrInvalidAuthToken, rpctypes.ErrRequestTooLarge):
		// processInternalRaftRequestOnce: too far behind, who asks, and the size, in
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

// isForLearner reports whether a member that only learns has refused a request.
func isForLearner(err error) bool {
	return reason(err) == reason(rpctypes.ErrGRPCNotSupportedForLearner)
}

// code is the status that a server, or the library in its place, ended a
// request with.
func code(err error) codes.Code {
	var known rpctypes.EtcdError
	if errors.As(err, &known) {
		return known.Code()
	}
	return status.Code(err)
}

// tooLarge reports whether a server takes no request as large as this one. If
// it is by far too large, the server's library says so, for which there is but
// its text.
func tooLarge(err error) bool {
	return isAny(err, rpctypes.ErrRequestTooLarge, rpctypes.ErrTooManyOps) ||
		err != nil && strings.Contains(err.Error(), "received message larger than max")
}

// answerSize reports whether the library refused the answer to a request for
// its size, and that size; 0 if it is not known. For both there is but its text.
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

// reason is what the server said, without what the libraries add.
func reason(err error) string {
	text := rpctypes.ErrorDesc(err)
	return strings.TrimPrefix(strings.TrimPrefix(text, "etcdserver: "), "mvcc: ")
}

// fromText finds the error of a server in one that holds it as mere text, as
// the library returns of a watch.
func fromText(err error) error {
	if err == nil {
		return nil
	}
	if _, desc, ok := strings.Cut(err.Error(), "desc = "); ok {
		err = saying(err, "%s", desc)
	}
	return rpctypes.Error(err)
}
