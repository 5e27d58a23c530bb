namespace OmniPg.Extractor;

/// <summary>What a warning of pg_dump is about.</summary>
public enum PgDumpWarningKind
{
    /// <summary>Anything else; the message says it.</summary>
    Other,

    /// <summary>Foreign keys that go in a circle: data-only restores may fail.</summary>
    CircularForeignKeys,

    /// <summary>Objects whose dependencies go in a circle that pg_dump could not break.</summary>
    DependencyLoop,

    /// <summary>Subscriptions were left out because the user is no superuser: the dump is incomplete.</summary>
    SubscriptionsSkipped,

    /// <summary>An object's owner does not exist.</summary>
    InvalidOwner,
}
