using System.Text.Json.Serialization;

namespace OmniPg.Wal;

/// <summary>Source-generated JSON of the files that stores hold.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true)]
[JsonSerializable(typeof(WalArchiveMarker))]
internal sealed partial class WalStorageJson : JsonSerializerContext;
