namespace OmniPg.Wal;

/// <summary>What became of a new object.</summary>
public enum WalCommitOutcome
{
    /// <summary>The object is durable and visible under its key.</summary>
    Created,

    /// <summary>The key was taken; the old object is untouched and the new one is gone. The caller compares contents.</summary>
    AlreadyExists,
}
