#include "distribution.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "case.h"
#include "compare.h"
#include "element.h"
#include "file.h"
#include "text.h"

enum { DRAWS = 1000, SEED_CHECKS = 20 };

/* Of the normal distribution, once in 500 million; a rare element needs the second term (Bernstein's
 * inequality). */
static const double WIDTH = 6;

static const struct {
    const char *name;
    bool complement;
} distributions[] = {{"bernoulli", false}, {"bernoulli-complement", true}};

enum { DISTRIBUTION_COUNT = sizeof distributions / sizeof distributions[0] };

struct trial {
    const corten_options *options;
    char *model; /* its bytes, of which the seed is changed */
    size_t model_bytes;
    char *seed; /* four bytes in `model`; NULL: it has none */
    corten_session *session;
    corten_value *input, *expected;
    size_t count; /* elements */
    unsigned *ones;
    bool complement;
};

bool ct_cli_distribution_known(const char *name)
{
    for (int i = 0; i < DISTRIBUTION_COUNT; i++)
        if (strcmp(distributions[i].name, name) == 0)
            return true;
    return false;
}

/* An AttributeProto has its name in field 1, and then a float in field 2. */
static char *find_seed(char *model, size_t size_bytes)
{
    static const char field[] = "\x0a\x04seed\x15";
    char *at = memmem(model, size_bytes, field, sizeof field - 1);
    size_t end = at ? (size_t)(at - model) + sizeof field - 1 + sizeof(float) : 0;
    return at && end <= size_bytes ? at + sizeof field - 1 : NULL;
}

static corten_status reopen(struct trial *trial, corten_error *error)
{
    corten_session_close(trial->session);
    trial->session = NULL;
    return corten_session_open_memory(trial->model, trial->model_bytes, NULL, trial->options,
                                      &trial->session, error);
}

static corten_status draw(const struct trial *trial, corten_value **output, corten_error *error)
{
    corten_value_info in, out;
    CT_CLI_TRY(corten_session_input_info(trial->session, 0, &in, error));
    CT_CLI_TRY(corten_session_output_info(trial->session, 0, &out, error));
    return corten_session_run(trial->session, &in.name, (const corten_value *const *)&trial->input,
                              1, &out.name, output, 1, error);
}

static double probability(const struct trial *trial, size_t i)
{
    double p = ct_cli_element_real(corten_value_dtype(trial->input),
                                   corten_tensor_const_data(trial->input), i);
    return trial->complement ? 1 - p : p;
}

/* Type, shape and values of one output; counts its ones. */
static corten_status take(struct trial *trial, const corten_value *output, corten_error *error)
{
    struct ct_cli_difference difference;
    /* Says what differs when that is more than the numbers. */
    CT_CLI_TRY(ct_cli_difference(trial->expected, output, &difference, error));
    for (size_t i = 0; i < trial->count; i++) {
        double p = probability(trial, i);
        double y =
            ct_cli_element_real(corten_value_dtype(output), corten_tensor_const_data(output), i);
        if ((y != 0 && y != 1) || (y == 1 && p <= 0) || (y == 0 && p >= 1))
            return ct_cli_fail(error, CORTEN_RUN_FAILED,
                               "element %zu is %g, and 1 has the probability %g", i, y, p);
        trial->ones[i] += y == 1;
    }
    return CORTEN_OK;
}

static corten_status expect_same(const struct trial *trial, const corten_value *output,
                                 corten_error *error)
{
    char text[512] = "";
    corten_value *other = NULL;
    CT_CLI_TRY(draw(trial, &other, error));
    bool same =
        ct_cli_values_close(output, other, (struct ct_cli_tolerance){0, 0}, text, sizeof text);
    corten_value_destroy(other);
    if (!same)
        return ct_cli_fail(error, CORTEN_RUN_FAILED, "the same seed gives another output: %s",
                           text);
    return CORTEN_OK;
}

static corten_status one_draw(struct trial *trial, int index, corten_error *error)
{
    corten_value *output = NULL;
    float seed = (float)index;
    if (trial->seed) {
        memcpy(trial->seed, &seed, sizeof seed);
        CT_CLI_TRY(reopen(trial, error));
    }
    corten_status status = draw(trial, &output, error);
    if (status == CORTEN_OK)
        status = take(trial, output, error);
    if (status == CORTEN_OK && trial->seed && index < SEED_CHECKS) {
        status = expect_same(trial, output, error);
        if (status == CORTEN_OK)
            status = reopen(trial, error);
        if (status == CORTEN_OK)
            status = expect_same(trial, output, error);
    }
    corten_value_destroy(output);
    return status;
}

static corten_status check_counts(const struct trial *trial, corten_error *error)
{
    for (size_t i = 0; i < trial->count; i++) {
        double p = probability(trial, i), expected = DRAWS * p;
        double most = WIDTH * sqrt(expected * (1 - p)) + WIDTH * WIDTH / 3;
        if (!(fabs(trial->ones[i] - expected) <= most))
            return ct_cli_fail(
                error, CORTEN_RUN_FAILED,
                "element %zu is 1 in %u of %d draws, expected %.1f, at most %.1f off", i,
                trial->ones[i], DRAWS, expected, most);
    }
    return CORTEN_OK;
}

static corten_status load(struct trial *trial, const char *folder, corten_error *error)
{
    void *bytes = NULL;
    CT_CLI_TRY(ct_cli_case_file(folder, "model.onnx", &bytes, &trial->model_bytes, error));
    trial->model = bytes;
    trial->seed = find_seed(trial->model, trial->model_bytes);
    CT_CLI_TRY(reopen(trial, error));
    if (corten_session_input_count(trial->session) != 1 ||
        corten_session_output_count(trial->session) != 1)
        return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                           "draws are checked of one input and one output");
    CT_CLI_TRY(ct_cli_case_value(folder, "test_data_set_0/input_0.pb", &trial->input, error));
    CT_CLI_TRY(ct_cli_case_value(folder, "test_data_set_0/output_0.pb", &trial->expected, error));
    trial->count = corten_tensor_element_count(trial->input);
    if (trial->count != corten_tensor_element_count(trial->expected))
        return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                           "draws are checked of as many elements as the input has");
    trial->ones = calloc(trial->count + 1, sizeof *trial->ones);
    return trial->ones ? CORTEN_OK : ct_cli_no_memory(error, "counts of draws");
}

corten_status ct_cli_distribution_run(const char *folder, const char *name,
                                      const corten_options *options, corten_error *error)
{
    struct trial trial = {.options = options};
    for (int i = 0; i < DISTRIBUTION_COUNT; i++)
        if (strcmp(distributions[i].name, name) == 0)
            trial.complement = distributions[i].complement;
    corten_status status = load(&trial, folder, error);
    for (int i = 0; i < DRAWS && status == CORTEN_OK; i++)
        status = one_draw(&trial, i, error);
    if (status == CORTEN_OK)
        status = check_counts(&trial, error);
    corten_session_close(trial.session);
    corten_value_destroy(trial.input);
    corten_value_destroy(trial.expected);
    free(trial.ones);
    free(trial.model);
    return status;
}
