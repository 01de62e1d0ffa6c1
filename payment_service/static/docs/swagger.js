"use strict";

const place = document.getElementById("description");

SwaggerUIBundle({
  domNode: place,
  url: place.dataset.url,
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  filter: true,
  persistAuthorization: false,
  // No service outside is asked whether the description is valid; a test knows.
  validatorUrl: null,
});
