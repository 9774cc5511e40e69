#include "s3/xml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static xml_span span_of(const char *text) { return (xml_span){text, strlen(text)}; }

static void text_expect(const char *xml, const char *element, const char *expected) {
    char buffer[32];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    assert_int_equal(xml_text(span_of(xml), element, &text), expected != NULL);
    if (expected)
        assert_string_equal(buffer, expected);
}

static void test_text_then_found_and_decoded(void **state) {
    (void)state;
    text_expect("<?xml version=\"1.0\"?>\n<E xmlns=\"u\"><Code>Slow</Code></E>", "Code", "Slow");
    text_expect("<Keys>x</Keys><Key >a&amp;b&#x3d;&#61;&lt;&gt;&quot;&apos;</Key>", "Key", "a&b==<>\"'");
    text_expect("<Key>&unknown; &amp &#999;</Key>", "Key", "&unknown; &amp &#999;");
    text_expect("<Key></Key>", "Key", "");
}

static void test_text_that_is_not_whole_then_not_there(void **state) {
    (void)state;
    static const char xml[] = "<Error><Code>SlowDown</Code></Error>";
    for (size_t n = 0; n < strlen("<Error><Code>SlowDown</Code>"); n++) {
        char buffer[32];
        struct text text;
        char *cut = malloc(n + 1); /* so that a sanitizer sees a byte behind it */
        assert_non_null(cut);
        memcpy(cut, xml, n);
        text_init(&text, buffer, sizeof buffer);
        assert_false(xml_text((xml_span){cut, n}, "Code", &text));
        free(cut);
    }
    text_expect("<Key/>", "Key", NULL);
    text_expect("<Key a='1'/><Key>x</Key>", "Key", "x");
    text_expect("<Key>more than thirty-two bytes do not fit there</Key>", "Key", NULL);
}

static void test_elements_then_one_after_the_other(void **state) {
    (void)state;
    xml_span rest = span_of("<L><U><K>1</K></U><U><K>2</K></U></L>"), inside;
    char buffer[8];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    assert_true(xml_next(&rest, "U", &inside) && xml_text(inside, "K", &text));
    assert_string_equal(buffer, "1");
    assert_true(xml_next(&rest, "U", &inside) && xml_text(inside, "K", &text));
    assert_string_equal(buffer, "2");
    assert_false(xml_next(&rest, "U", &inside));
}

static void test_text_put_then_read_back(void **state) {
    (void)state;
    char buffer[64];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    text_put(&text, "<E>");
    xml_text_put(&text, "\"a&b<c>\"");
    text_put(&text, "</E>");
    text_expect(buffer, "E", "\"a&b<c>\"");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_then_found_and_decoded),
        cmocka_unit_test(test_text_that_is_not_whole_then_not_there),
        cmocka_unit_test(test_elements_then_one_after_the_other),
        cmocka_unit_test(test_text_put_then_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
