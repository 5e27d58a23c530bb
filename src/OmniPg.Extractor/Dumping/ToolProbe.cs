namespace OmniPg.Extractor.Dumping;

/// <summary>What calling a program with <c>--version</c> told.</summary>
internal sealed record ToolProbe(PgTool? Tool, string Finding);
