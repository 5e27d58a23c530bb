using System.Text.Json;
using System.Text.Json.Serialization;

namespace OmniPg.Wal;

/// <summary>Remembers between calls which destinations hold a file: <c>STATE/NAME.state</c>, bound to the file's content.</summary>
internal sealed partial class DeliveryState(string? directory, WalFileName file)
{
    private readonly string? _path = directory is null ? null : Path.Combine(directory, $"{file}.state");

    public bool Exists => _path is not null && File.Exists(_path);

    /// <summary>The state as it was kept; null for one that cannot be read, which is worth nothing: doing the work again is safe.</summary>
    public Document? Read()
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(_path!), StateJson.Default.Document);
        }
        catch (Exception damage) when (damage is JsonException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    public async Task SaveAsync(ObjectContent content, IEnumerable<Delivery> holding, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (_path is null)
            return;
        var done = holding.ToDictionary(s => s.Destination.StateId, s => new Mark(now, s.Destination.KeyOf(file), s.StoredSha256));
        var document = new Document(content.RawBytes, done, Xxh128: content.Xxh128);
        var json = JsonSerializer.SerializeToUtf8Bytes(document, StateJson.Default.Document);
        await DurableFile.WriteAllBytesAsync(_path, json, cancellationToken).ConfigureAwait(false);
    }

    public void Delete()
    {
        if (Exists)
            File.Delete(_path!);
    }

    /// <summary>What the file holds.</summary>
    /// <param name="Size">Size of the content.</param>
    /// <param name="Done">The destinations that hold it.</param>
    /// <param name="Xxh128">XXH128 of the content.</param>
    /// <param name="Sha256">SHA-256 of the content in its place: states that were written before there was the other.</param>
    internal sealed record Document(long Size, Dictionary<string, Mark>? Done, string? Xxh128 = null, string? Sha256 = null);

    /// <summary>When and under which key a destination got the file, and the SHA-256 of what it got if that call stored it.</summary>
    internal sealed record Mark(DateTimeOffset At, string Key, string? StoredSha256 = null);

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
    [JsonSerializable(typeof(Document))]
    private sealed partial class StateJson : JsonSerializerContext;
}
