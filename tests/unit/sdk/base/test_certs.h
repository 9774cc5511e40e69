/* test_certs: a directory of certificates, good and bad, for the tests that speak TLS; made by make_certs.sh.
 */
#ifndef TEST_CERTS_H
#define TEST_CERTS_H

/* `dir` is a template for mkdtemp, and then its name. 0: made; for a group's set-up. */
int test_certs_make(char *dir);
int test_certs_remove(const char *dir);

#endif
