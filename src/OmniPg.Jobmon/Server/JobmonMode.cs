namespace OmniPg.Jobmon;

/// <summary>Where the job log of a database comes from.</summary>
public enum JobmonMode
{
    /// <summary>The database has neither the extension nor the SDK's own job log.</summary>
    NotInstalled,

    /// <summary>The extension <c>pg_jobmon</c> holds the log; the SDK never alters its objects.</summary>
    Extension,

    /// <summary>The SDK installed same-named tables and functions in a schema of its own.</summary>
    Own,
}
