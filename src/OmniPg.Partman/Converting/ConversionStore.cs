using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Npgsql;

namespace OmniPg.Partman;

/// <summary>A conversion with all that its next step needs: its row in the table of operations.</summary>
internal sealed record ConversionState
{
    /// <summary>Condition of those that were left alone while their table is bounded, and must not be for much longer; of sets by id, of all that are bounded.</summary>
    public static string MayBeLate => $"o.kind = '{OperationKind.Conversion}' AND o.finished_at IS NULL AND o.phase = '{ConversionPhase.Created}' "
        + "AND ((o.detail ->> 'deadline')::pg_catalog.timestamptz <= pg_catalog.now() OR (o.detail ->> 'begun') IS NOT NULL) "
        + $"AND EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = o.child AND k.conname = '{ConversionNames.Check}')";

    // Letters beyond ASCII as they are: a database of another encoding than UTF8 refuses their escapes.
    private static readonly ConversionJson Readable = new(new JsonSerializerOptions(ConversionJson.Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

    public required long Id { get; init; }

    public required QualifiedName Table { get; init; }

    /// <summary>The table that was converted.</summary>
    public required uint Source { get; init; }

    public required ConversionPhase Phase { get; init; }

    public required ConversionDetail Detail { get; init; }

    public required DateTimeOffset StartedAt { get; init; }

    public required DateTimeOffset UpdatedAt { get; init; }

    public Conversion Told => new(Id, Table, Detail.Strategy, Phase, Detail.Rows, StartedAt, UpdatedAt);

    /// <summary>The table under a name, with another end: what stands beside it for the time of the conversion.</summary>
    public static QualifiedName Beside(QualifiedName table, string end) => new(table.Schema, PartitionName.Fit(table.Name.Value, end));

    /// <summary>All conversions, or those that a condition chooses.</summary>
    public static async Task<IReadOnlyList<ConversionState>> ListAsync(PgSession session, PartmanServer server, string condition = "true", params NpgsqlParameter[] parameters) => server.HasOwn
        ? await session.RowsAsync(
            $"SELECT o.id, o.child_name, o.child, o.phase, o.detail::text, o.started_at, o.updated_at FROM {server.OwnSchema.Quoted}.operation o WHERE o.kind = '{OperationKind.Conversion}' AND {condition} ORDER BY o.id", Read, parameters).ConfigureAwait(false) : [];

    /// <summary>Whether a conversion of a table is open.</summary>
    public static async Task<ConversionState?> OpenOfAsync(PgSession session, PartmanServer server, QualifiedName table) =>
        await ListAsync(session, server, "o.parent_table = $1 AND o.finished_at IS NULL", PgParameter.Text(ConfigKey(table))).ConfigureAwait(false) is [var open, ..] ? open : null;

    /// <exception cref="PartmanConversionException">There is none.</exception>
    public static async Task<ConversionState> OfAsync(PgSession session, PartmanServer server, long id) =>
        (await ListAsync(session, server, "o.id = $1", PgParameter.BigInt(id)).ConfigureAwait(false)) is [var found]
            ? found : throw new PartmanConversionException(null, $"There is no conversion '{id}'.", "The list of conversions names all of them.");

    /// <summary>The statement that writes a new one down; the table beside exists by then.</summary>
    public static string Insert(PartmanServer server, QualifiedName table, uint oid, ConversionDetail detail, QualifiedName copy) =>
        $"INSERT INTO {server.OwnSchema.Quoted}.operation (parent_table, child, child_name, kind, phase, detail) VALUES ({PgLiteral.Quote(ConfigKey(table))}, {oid.ToString(CultureInfo.InvariantCulture)}, "
        + $"{PgLiteral.Quote(table.Quoted)}, '{OperationKind.Conversion}', '{ConversionPhase.Created}', {PgLiteral.Quote(JsonSerializer.Serialize(detail, Readable.ConversionDetail))}::pg_catalog.jsonb "
        + $"|| pg_catalog.jsonb_build_object('copy', {PgLiteral.Quote(copy.Quoted)}::pg_catalog.regclass::pg_catalog.oid::pg_catalog.int8))";

    /// <summary>The statement that brings it to another phase.</summary>
    public string Move(PartmanServer server, ConversionPhase phase, string set = "") =>
        $"UPDATE {server.OwnSchema.Quoted}.operation SET phase = '{phase}', updated_at = pg_catalog.clock_timestamp(){set}"
        + (phase is ConversionPhase.Finished or ConversionPhase.Aborted ? ", finished_at = pg_catalog.clock_timestamp()" : "") + $" WHERE id = {Number}";

    /// <summary>The question whether it is still in its phase.</summary>
    public string IsStill(PartmanServer server) => $"SELECT EXISTS (SELECT FROM {server.OwnSchema.Quoted}.operation o WHERE o.id = {Number} AND o.phase = '{Phase}')";

    /// <summary>Holds its row until the transaction ends, as whoever copies a slice does: with the others. Notes go on.</summary>
    public Task<object?> HoldAsync(PgSession session, PartmanServer server) =>
        session.ScalarAsync($"SELECT o.id FROM {server.OwnSchema.Quoted}.operation o WHERE o.id = $1 FOR KEY SHARE", PgParameter.BigInt(Id));

    /// <summary>The unit that waits for all who hold its row.</summary>
    /// <param name="server">The database.</param>
    /// <param name="operations">The table of operations.</param>
    public PlanUnit Alone(PartmanServer server, uint operations) => new()
    {
        Kind = "wait-for-slices",
        Reason = $"Rows of '{Table}' that are still being copied come first.",
        Statements = [$"SELECT o.id FROM {server.OwnSchema.Quoted}.operation o WHERE o.id = {Number} FOR UPDATE"],
        Locks = [],
        Locked = [operations],
        GoesByNames = true,
    };

    /// <summary>Notes how far the copy is, and which slices come next.</summary>
    public Task<int> NoteAsync(PgSession session, PartmanServer server, ConversionDetail detail)
    {
        List<NpgsqlParameter> parameters = [Key(detail.Checkpoint), PgParameter.Flag(detail.IsCopied), PgParameter.BigInt(detail.Rows), PgParameter.BigInt(Id)];
        var slices = (detail.Wave ?? []).Select(s => Json(s, parameters)).ToList();
        return session.ExecuteAsync(
            $"UPDATE {server.OwnSchema.Quoted}.operation SET updated_at = pg_catalog.clock_timestamp(), detail = detail || pg_catalog.jsonb_build_object('checkpoint', $1, 'isCopied', $2, 'rows', $3, 'wave', pg_catalog.jsonb_build_array({string.Join(", ", slices)})) WHERE id = $4",
            [.. parameters]);
    }

    /// <summary>Notes in the transaction that copied a slice that it is copied; false where it is not due any more, and must not be copied once more.</summary>
    public async Task<bool> NoteAsync(PgSession session, PartmanServer server, int place, CopySlice slice, long rows)
    {
        List<NpgsqlParameter> parameters = [PgParameter.BigInt(rows), PgParameter.Text(place.ToString(CultureInfo.InvariantCulture)), PgParameter.BigInt(Id)];
        return await session.ExecuteAsync(
            $"UPDATE {server.OwnSchema.Quoted}.operation SET updated_at = pg_catalog.clock_timestamp(), detail = pg_catalog.jsonb_set(detail || pg_catalog.jsonb_build_object('rows', (detail ->> 'rows')::pg_catalog.int8 + $1), ARRAY['wave', $2, 'isDone'], 'true') "
                + $"WHERE id = $3 AND detail #> ARRAY['wave', $2] = {Json(slice, parameters)}",
            [.. parameters]).ConfigureAwait(false) == 1;
    }

    // Made by the server, which knows what its encoding holds: a serializer escapes some letters in any case.
    private static string Json(CopySlice slice, List<NpgsqlParameter> parameters)
    {
        parameters.AddRange([Key(slice.After), Key(slice.UpTo), PgParameter.Flag(slice.IsDone)]);
        string Given(int back) => "$" + (parameters.Count - back).ToString(CultureInfo.InvariantCulture);
        return $"pg_catalog.jsonb_build_object('after', {Given(2)}, 'upTo', {Given(1)}, 'isDone', {Given(0)})";
    }

    private static NpgsqlParameter Key(string[]? values) => PgParameter.Of(values, NpgsqlTypes.NpgsqlDbType.Array | NpgsqlTypes.NpgsqlDbType.Text);

    private string Number => Id.ToString(CultureInfo.InvariantCulture);

    private static string ConfigKey(QualifiedName table) => $"{table.Schema!.Value.Value}.{table.Name.Value}";

    private static ConversionState Read(NpgsqlDataReader row) => new()
    {
        Id = row.GetInt64(0),
        Table = QualifiedName.Parse(row.GetString(1)),
        Source = row.GetFieldValue<uint>(2),
        Phase = Enum.Parse<ConversionPhase>(row.GetString(3)),
        Detail = JsonSerializer.Deserialize(row.GetString(4), ConversionJson.Default.ConversionDetail)!,
        StartedAt = row.Instant(5)!.Value,
        UpdatedAt = row.Instant(6)!.Value,
    };
}

/// <summary>What a conversion keeps of its options and its progress.</summary>
internal sealed record ConversionDetail
{
    public required ConversionStrategy Strategy { get; init; }

    /// <summary>The partitioned table; 0 until it is made.</summary>
    public uint Copy { get; init; }

    public required string Control { get; init; }

    public required string[] KeyColumns { get; init; }

    public required string[] KeyTypes { get; init; }

    /// <summary>Rows in a transaction; null for as many as its goal allows.</summary>
    public int? BatchSize { get; init; }

    /// <summary>Sessions at once; null for the usual number.</summary>
    public int? Sessions { get; init; }

    public required TimeSpan Pause { get; init; }

    public required bool KeepWayBack { get; init; }

    /// <summary>Whether autovacuum leaves the tables alone while rows go from one to the other.</summary>
    public bool SuspendAutovacuum { get; init; }

    /// <summary>Whether the set is maintained with all others from the swap on.</summary>
    public required bool Automatic { get; init; }

    /// <summary>Whether the set keeps a default partition.</summary>
    public required bool KeepDefault { get; init; }

    /// <summary>The table as it was at the start.</summary>
    public required string Digest { get; init; }

    public required long EstimatedRows { get; init; }

    /// <summary>Where the table ends as a partition, in the words of its column; null where it becomes no range.</summary>
    public string? Cut { get; init; }

    /// <summary>From when on it must not be bounded any more, though it is no partition yet; null for sets by id.</summary>
    public DateTimeOffset? Deadline { get; init; }

    /// <summary>The newest id when it was decided where the table ends; null for sets by time.</summary>
    public long? Begun { get; init; }

    /// <summary>The key that the copy has come to; null at its beginning.</summary>
    public string[]? Checkpoint { get; init; }

    public bool IsCopied { get; init; }

    /// <summary>The slices behind that key which are copied side by side, in order; null for none.</summary>
    public CopySlice[]? Wave { get; init; }

    public long Rows { get; init; }

    /// <summary>Whether the foreign keys are complete.</summary>
    public bool IsValidated { get; init; }
}

/// <summary>Rows that one transaction copies.</summary>
/// <param name="After">The key that they lie behind; null for the first ones.</param>
/// <param name="UpTo">The key of the last one; null for all to the end.</param>
/// <param name="IsDone">Whether they are copied.</param>
internal sealed record CopySlice(string[]? After, string[]? UpTo, bool IsDone);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true)]
[JsonSerializable(typeof(ConversionDetail))]
internal sealed partial class ConversionJson : JsonSerializerContext;
