using System.Text.Json;
using System.Text.Json.Serialization;

namespace OmniPg.Wal;

/// <summary>Says whose archive a store holds: the file <see cref="Key"/> at its root. Two clusters in one archive destroy each other's recovery.</summary>
public sealed partial record WalArchiveMarker
{
    /// <summary>Key of the marker, <c>omnipg-archive.json</c>.</summary>
    public const string Key = "omnipg-archive.json";

    /// <summary>The only <see cref="Format"/> there is.</summary>
    public const int CurrentFormat = 1;

    /// <summary>Version of the marker's own format; default <see cref="CurrentFormat"/>.</summary>
    public int Format { get; init; } = CurrentFormat;

    /// <summary>System identifier of the cluster.</summary>
    [JsonNumberHandling(JsonNumberHandling.WriteAsString | JsonNumberHandling.AllowReadingFromString)]
    public required ulong SystemIdentifier { get; init; }

    /// <summary>Major version of the server that wrote last, such as 15.</summary>
    public required int PgVersion { get; init; }

    /// <summary>Segment size of the cluster in bytes.</summary>
    public required int WalSegmentSize { get; init; }

    /// <summary>Arrangement of the files; default <see cref="WalLayout.Flat"/>.</summary>
    public WalLayout Layout { get; init; }

    /// <summary>When the archive was begun (UTC).</summary>
    public DateTimeOffset Created { get; init; }

    /// <summary>Reads the marker of a store.</summary>
    /// <param name="store">A readable store.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>The marker, or <see langword="null"/> when the store is proven to have none.</returns>
    /// <exception cref="WalArchiveMismatchException">The marker is damaged or of a later format; nothing may be written before a person has looked.</exception>
    public static async Task<WalArchiveMarker?> ReadAsync(IObjectStore store, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        var stream = await store.OpenReadAsync(Key, cancellationToken).ConfigureAwait(false);
        if (stream is null)
            return null;
        await using (stream.ConfigureAwait(false))
        {
            try
            {
                var marker = await JsonSerializer.DeserializeAsync(stream, MarkerJson.Default.WalArchiveMarker, cancellationToken).ConfigureAwait(false);
                return marker is { Format: CurrentFormat } ? marker : throw WalArchiveMismatchException.UnreadableMarker(store.Id, Key, $"format '{marker?.Format}'");
            }
            catch (JsonException damage)
            {
                // Never written anew by itself: it is the only thing that keeps another cluster's files out.
                throw WalArchiveMismatchException.UnreadableMarker(store.Id, Key, damage.Message);
            }
        }
    }

    /// <summary>Puts the marker into a store that has none.</summary>
    /// <param name="store">The store.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>Whether it was written; <see langword="false"/> when another one was there first.</returns>
    public async Task<bool> WriteAsync(IObjectStore store, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        var json = JsonSerializer.SerializeToUtf8Bytes(this, MarkerJson.Default.WalArchiveMarker);
        var writer = await store.CreateAsync(Key, new ObjectInfo { RawBytes = json.Length }, cancellationToken).ConfigureAwait(false);
        await using (writer.ConfigureAwait(false))
        {
            await writer.WriteAsync(json, cancellationToken).ConfigureAwait(false);
            return await writer.CommitAsync(ObjectContent.Of(json), cancellationToken).ConfigureAwait(false) == ObjectCommitResult.Created;
        }
    }

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true)]
    [JsonSerializable(typeof(WalArchiveMarker))]
    private sealed partial class MarkerJson : JsonSerializerContext;
}
