#include "roofline.h"

#include <string.h>

#include "text.h"

enum { PRODUCT_SIZE = 1024, SUM_SIZE = 1 << 24, REPEATS = 5, MODEL_BYTES = 512 };

/* ------------------------------------------------------------------ a model of one node */

struct message {
    unsigned char bytes[MODEL_BYTES];
    size_t size;
};

static void put_varint(struct message *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        to->bytes[to->size++] = (unsigned char)(value | 0x80);
    to->bytes[to->size++] = (unsigned char)value;
}

static void put_int(struct message *to, unsigned field, uint64_t value)
{
    put_varint(to, field << 3);
    put_varint(to, value);
}

static void put_bytes(struct message *to, unsigned field, const void *bytes, size_t size)
{
    put_varint(to, field << 3 | 2);
    put_varint(to, size);
    memcpy(to->bytes + to->size, bytes, size);
    to->size += size;
}

static void put_text(struct message *to, unsigned field, const char *text)
{
    put_bytes(to, field, text, strlen(text));
}

static void put_message(struct message *to, unsigned field, const struct message *from)
{
    put_bytes(to, field, from->bytes, from->size);
}

/* ValueInfoProto: a float tensor. */
static void put_value(struct message *graph, unsigned field, const char *name, int rank,
                      int64_t size)
{
    struct message shape = {.size = 0}, tensor = {.size = 0}, type = {.size = 0},
                   value = {.size = 0};
    for (int i = 0; i < rank; i++) {
        struct message dim = {.size = 0};
        put_int(&dim, 1, (uint64_t)size);
        put_message(&shape, 1, &dim);
    }
    put_int(&tensor, 1, CORTEN_F32);
    put_message(&tensor, 2, &shape);
    put_message(&type, 1, &tensor);
    put_text(&value, 1, name);
    put_message(&value, 2, &type);
    put_message(graph, field, &value);
}

/* ModelProto: y = op(a, b), all of one shape. */
static void make_model(struct message *model, const char *op_type, int rank, int64_t size)
{
    struct message node = {.size = 0}, graph = {.size = 0}, opset = {.size = 0};
    put_text(&node, 1, "a");
    put_text(&node, 1, "b");
    put_text(&node, 2, "y");
    put_text(&node, 4, op_type);
    put_message(&graph, 1, &node);
    put_text(&graph, 2, "roofline");
    put_value(&graph, 11, "a", rank, size);
    put_value(&graph, 11, "b", rank, size);
    put_value(&graph, 12, "y", rank, size);
    put_int(&opset, 2, 13);
    model->size = 0;
    put_int(model, 1, 8);
    put_message(model, 7, &graph);
    put_message(model, 8, &opset);
}

/* ------------------------------------------------------------------ measuring */

static corten_status time_session(corten_session *session, int rank, int64_t size, double *best_s,
                                  corten_error *error)
{
    static const char *const in_names[] = {"a", "b"}, *const out_names[] = {"y"};
    int64_t dims[] = {size, size};
    corten_value *values[3] = {NULL};
    corten_status status = CORTEN_OK;
    for (int i = 0; i < 3 && status == CORTEN_OK; i++)
        status = corten_tensor_create(NULL, CORTEN_F32, rank, dims, &values[i], error);
    for (int i = 0; i < 2 && status == CORTEN_OK; i++) {
        float *data = corten_tensor_data(values[i]);
        for (size_t k = 0; k < corten_tensor_element_count(values[i]); k++)
            data[k] = (float)(k % 7);
    }
    *best_s = 1e9;
    for (int i = 0; i < REPEATS && status == CORTEN_OK; i++) {
        double start_s = ct_cli_now_s();
        status = corten_session_run(session, in_names, (const corten_value *const *)values, 2,
                                    out_names, &values[2], 1, error);
        double time_s = ct_cli_now_s() - start_s;
        *best_s = time_s < *best_s ? time_s : *best_s;
    }
    for (int i = 0; i < 3; i++)
        corten_value_destroy(values[i]);
    return status;
}

static corten_status time_model(const char *op_type, int rank, int64_t size, int threads,
                                double *best_s, corten_error *error)
{
    struct message model;
    make_model(&model, op_type, rank, size);
    corten_options *options = NULL;
    corten_session *session = NULL;
    CT_CLI_TRY(corten_options_create(&options, error));
    corten_status status = corten_options_set_threads(options, threads, error);
    if (status == CORTEN_OK)
        status =
            corten_session_open_memory(model.bytes, model.size, NULL, options, &session, error);
    if (status == CORTEN_OK)
        status = time_session(session, rank, size, best_s, error);
    corten_session_close(session);
    corten_options_destroy(options);
    return status;
}

corten_status ct_cli_roofline_measure(struct ct_cli_roofline *roofline, int threads,
                                      corten_error *error)
{
    double time_s;
    if (!(roofline->gflops > 0.0)) {
        CT_CLI_TRY(time_model("MatMul", 2, PRODUCT_SIZE, threads, &time_s, error));
        roofline->gflops = 2e-9 * PRODUCT_SIZE * PRODUCT_SIZE * PRODUCT_SIZE / time_s;
    }
    if (!(roofline->gbs > 0.0)) {
        CT_CLI_TRY(time_model("Add", 1, SUM_SIZE, threads, &time_s, error));
        roofline->gbs = 3e-9 * sizeof(float) * SUM_SIZE / time_s;
    }
    return CORTEN_OK;
}

double ct_cli_roofline_fraction(const struct ct_cli_roofline *roofline, double gflop, double gbyte,
                                double seconds)
{
    if (seconds <= 0.0 || (gflop <= 0.0 && gbyte <= 0.0))
        return -1.0;
    double compute_s = gflop / roofline->gflops, memory_s = gbyte / roofline->gbs;
    return (compute_s > memory_s ? compute_s : memory_s) / seconds;
}
