/* intake: a request's body becomes a submission, or a fault that says what is wrong with it.
 *
 * Decompresses and scans in memory of its own, which is reused and given back after an unusually large
 * batch. Pure but for malloc; one intake a thread.
 */
#ifndef INGRESS_INTAKE_H
#define INGRESS_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/submission.h"
#include "collector/ingress/fault.h"

struct intake;

/* At most `batch_numbers` numbers in a batch. NULL: out of memory. */
struct intake *intake_new(size_t decompressed_bytes, size_t batch_numbers);
void intake_free(struct intake *in); /* accepts NULL */

/* Takes `body` (malloc) in any case. On success *ret_submission is the caller's, with body, items, facts and
 * encoding filled in. */
bool intake_take(struct intake *in, uint8_t *body, size_t n, uint8_t encoding, submission **ret_submission,
                 struct fault *ret_fault);

/* Accepts NULL. */
void intake_submission_free(submission *sub);

#endif
