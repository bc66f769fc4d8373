// Package s3 is env.Objects over the AWS SDK: one bucket of S3, MinIO, a gateway
// or OSS. Every call is one request, or few; none is repeated, because the retry
// loop belongs to core, which knows what an unanswered effect may have done.
//
// How answers become env's classes, in errors.go:
//
//	412, FileAlreadyExists (OSS)                    conflict
//	409 ConditionalRequestConflict, OperationAborted   unavailable: another is writing, nothing was decided
//	404 NoSuchKey, NoSuchUpload; HEAD's 404         not found
//	404 NoSuchBucket                                invalid: not found would restart conversions for ever
//	404 of something else                           unavailable: not the store's answer
//	400 RequestTimeout, 403 RequestTimeTooSkewed, 429, SlowDown   unavailable
//	400 of a body cut or damaged on its way         unavailable
//	503                                             unavailable; undetermined for an effect if not the store said so
//	other 3xx, 4xx, 501                             invalid
//	500, 502, 504, an error inside a 200, an answer that is none   undetermined; unavailable for reads
//	no connection, no credentials                   unavailable: not sent
//	no answer                                       undetermined; unavailable for reads
//	the caller's context ended                      its cause; undetermined with the cause for an effect that was sent
package s3
