namespace OmniPg.Extractor.Tests;

/// <summary>Tests that count what the whole process allocates: nothing else may run meanwhile.</summary>
[CollectionDefinition(nameof(WholeProcess), DisableParallelization = true)]
public sealed class WholeProcess;
