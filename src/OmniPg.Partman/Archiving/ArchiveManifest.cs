using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using NpgsqlTypes;

namespace OmniPg.Partman;

/// <summary>What an archived partition was, beside its rows: written behind them, and the proof that they are whole.</summary>
internal sealed record ArchiveManifest
{
    // With a sum of rows besides that of the text.
    private const int FirstVersion = 1;

    public const int CurrentVersion = 2;
    private const string Extension = ".manifest.json";

    public required int Version { get; init; }

    public required string ParentSchema { get; init; }

    public required string ParentName { get; init; }

    public required string Schema { get; init; }

    public required string Name { get; init; }

    /// <summary>A literal without quotes, or one of the words that are none.</summary>
    public required string Lower { get; init; }

    public required string Upper { get; init; }

    public required IReadOnlyList<ArchivedColumn> Columns { get; init; }

    /// <summary>Key of the rows, beside the manifest.</summary>
    public required string Data { get; init; }

    public required string Codec { get; init; }

    public required long StoredBytes { get; init; }

    public required TableContent Content { get; init; }

    public required string ServerVersion { get; init; }

    public required DateTimeOffset ArchivedAt { get; init; }

    public static string KeyOf(string stem) => stem + Extension;

    /// <summary>The first part of both keys; what is no letter, digit, <c>_</c> or <c>-</c> stands as its bytes in hexadecimal.</summary>
    public static string Stem(QualifiedName table, int number)
    {
        return $"{Part(table.Schema!.Value.Value)}.{Part(table.Name.Value)}" + (number > 1 ? string.Create(CultureInfo.InvariantCulture, $".{number}") : "");

        static string Part(string name)
        {
            var part = new StringBuilder();
            foreach (var unit in Encoding.UTF8.GetBytes(name))
                part.Append(char.IsAsciiLetterOrDigit((char)unit) || unit is (byte)'_' or (byte)'-' ? ((char)unit).ToString() : $"%{unit:X2}");
            return part.ToString();
        }
    }

    public byte[] ToBytes() => JsonSerializer.SerializeToUtf8Bytes(this, ArchiveJson.Default.ArchiveManifest);

    /// <summary>Reads a manifest out of a store; null when it is proven absent.</summary>
    /// <exception cref="PartmanArchiveException">It is none, or of a newer version.</exception>
    public static async Task<ArchiveManifest?> ReadAsync(IObjectStore store, string key, CancellationToken cancellationToken)
    {
        if (await store.OpenReadAsync(key, cancellationToken).ConfigureAwait(false) is not { } stream)
            return null;
        await using var closing = stream.ConfigureAwait(false);
        try
        {
            var manifest = await JsonSerializer.DeserializeAsync(stream, ArchiveJson.Default.ArchiveManifest, cancellationToken).ConfigureAwait(false);
            return manifest is { Version: FirstVersion or CurrentVersion } ? manifest : throw new PartmanArchiveException(null, $"'{key}' in '{store.Id}' is a manifest of version '{manifest?.Version}', and this package reads '{FirstVersion}' and '{CurrentVersion}'.", null);
        }
        catch (JsonException error)
        {
            throw new PartmanArchiveException(null, $"'{key}' in '{store.Id}' is no manifest: {error.Message}", "Name the file that ends in '.manifest.json'.", error);
        }
    }
}

/// <summary>A column of an archived table.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Its type without modifiers, as <c>format_type</c> names it.</param>
/// <param name="Modifier">Its <c>atttypmod</c>.</param>
/// <param name="NotNull">Whether it takes no null.</param>
internal sealed record ArchivedColumn(string Name, string Type, int Modifier, bool NotNull)
{
    // $1 the table. Generated columns hold nothing that cannot be made again.
    private const string Look =
        """
        SELECT a.attname::text, pg_catalog.format_type(a.atttypid, NULL), a.atttypmod, a.attnotnull
        FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum
        """;

    public static Task<IReadOnlyList<ArchivedColumn>> OfAsync(PgSession session, uint table) => session.RowsAsync(
        Look, row => new ArchivedColumn(row.GetString(0), row.GetString(1), row.GetInt32(2), row.GetBoolean(3)), PgParameter.Of(table, NpgsqlDbType.Oid));

    public static IEnumerable<string> Quoted(IEnumerable<ArchivedColumn> columns) => columns.Select(c => PgIdentifier.Create(c.Name).Quoted);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(ArchiveManifest))]
internal sealed partial class ArchiveJson : JsonSerializerContext;
