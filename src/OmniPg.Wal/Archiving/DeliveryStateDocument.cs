namespace OmniPg.Wal;

/// <summary>What a delivery state file holds.</summary>
internal sealed record DeliveryStateDocument(string Sha256, long Size, Dictionary<string, DeliveryMark>? Done);

/// <summary>When and under which key a destination got the file.</summary>
internal sealed record DeliveryMark(DateTimeOffset At, string Key);
