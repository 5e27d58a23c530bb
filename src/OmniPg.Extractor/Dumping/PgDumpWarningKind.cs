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

    /// <summary>Options of user mappings that the user may not see, so that they look as if they had none: the dump is incomplete.</summary>
    UserMappingsHidden,

    /// <summary>pg_dump is an older minor release than the server: it may print what the server's own pg_dump hides.</summary>
    OlderThanServer,

    /// <summary>The connection goes through a pooler that takes no start-up options, so settings of roles and databases can change the text.</summary>
    SessionNotPinned,
}
