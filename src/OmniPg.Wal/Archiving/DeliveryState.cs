using System.Text.Json.Serialization;
using System.Text.Json;

namespace OmniPg.Wal;

/// <summary>Remembers between calls which destinations hold a file: <c>STATE/NAME.state</c>, bound to the file's content.</summary>
internal sealed class DeliveryState(string? directory, WalFileName file)
{
    private readonly string? _path = directory is null ? null : Path.Combine(directory, $"{file}.state");

    public bool Exists => _path is not null && File.Exists(_path);

    /// <summary>The destinations done, if the state is about this content. A state that cannot be read is worth nothing: doing the work again is safe.</summary>
    public IReadOnlyCollection<string> DoneFor(string sha256, out bool wasDamaged)
    {
        wasDamaged = false;
        try
        {
            // A name may come again with other content after the cluster was restored; its state must not pass that over.
            var document = JsonSerializer.Deserialize(File.ReadAllBytes(_path!), ArchiveJson.Default.DeliveryStateDocument);
            return document?.Sha256 == sha256 && document.Done is { } done ? done.Keys : [];
        }
        catch (Exception damage) when (damage is JsonException or IOException or UnauthorizedAccessException)
        {
            wasDamaged = true;
            return [];
        }
    }

    public async Task SaveAsync(ObjectContent content, IEnumerable<DeliverySlot> holding, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (_path is null)
            return;
        var done = holding.ToDictionary(s => s.Destination.StateId, s => new DeliveryMark(now, s.Destination.KeyOf(file)));
        var document = new DeliveryStateDocument(content.Sha256, content.RawBytes, done);
        var json = JsonSerializer.SerializeToUtf8Bytes(document, ArchiveJson.Default.DeliveryStateDocument);
        await DurableFile.WriteAllBytesAsync(_path, json, cancellationToken).ConfigureAwait(false);
    }

    public void Delete()
    {
        if (Exists)
            File.Delete(_path!);
    }
}

/// <summary>What a delivery state file holds.</summary>
internal sealed record DeliveryStateDocument(string Sha256, long Size, Dictionary<string, DeliveryMark>? Done);

/// <summary>When and under which key a destination got the file.</summary>
internal sealed record DeliveryMark(DateTimeOffset At, string Key);

/// <summary>Source-generated JSON of the files that archiving keeps.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(DeliveryStateDocument))]
internal sealed partial class ArchiveJson : JsonSerializerContext;
