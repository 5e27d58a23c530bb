namespace OmniPg.Jobmon;

/// <summary>What happened to a run.</summary>
public enum JobEventKind
{
    /// <summary>The run started.</summary>
    Started,

    /// <summary>The run ended with the text of code 1.</summary>
    Succeeded,

    /// <summary>The run ended with another text.</summary>
    Failed,
}
