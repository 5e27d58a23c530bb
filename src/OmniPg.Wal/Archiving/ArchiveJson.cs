using System.Text.Json.Serialization;

namespace OmniPg.Wal;

/// <summary>Source-generated JSON of the files that archiving keeps.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(DeliveryStateDocument))]
internal sealed partial class ArchiveJson : JsonSerializerContext;
